import { useEffect, useState } from 'react';

/** Return the day it is, as `Date.toDateString` writes it; a component that uses it is rendered anew at midnight. */
export function useToday(): string {
  const [today, setToday] = useState(() => new Date().toDateString());
  useEffect(() => {
    const midnight = new Date();
    midnight.setHours(24, 0, 0, 0);
    const timer = setTimeout(() => setToday(new Date().toDateString()), midnight.getTime() - Date.now());
    return () => clearTimeout(timer);
  }, [today]);
  return today;
}
