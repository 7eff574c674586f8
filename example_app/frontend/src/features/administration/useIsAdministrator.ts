import { useEffect, useState } from 'react';

import { makeRefresher } from '../../realtime/refresher';
import { loadMe } from '../authentication/api';

/** Return whether the server takes the user for an administrator: nobody is one before it has said so. */
export function useIsAdministrator(): boolean {
  const [isAdministrator, setIsAdministrator] = useState(false);
  useEffect(() => {
    const refresher = makeRefresher(loadMe, (me) => setIsAdministrator(me.isAdministrator), () => undefined);
    refresher.refresh();
    return refresher.stop;
  }, []);
  return isAdministrator;
}
