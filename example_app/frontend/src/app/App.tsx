import { tokens } from '../features/authentication/api';
import { LoginPage } from '../features/authentication/LoginPage';
import { useSession } from '../features/authentication/session';
import { OutboxProvider } from '../features/outbox/OutboxProvider';
import { useSettings } from '../features/settings/settings';
import { RealtimeProvider } from '../realtime/RealtimeProvider';
import { AnnouncerProvider } from '../ui/Announcer';
import { SidePanelProvider } from '../ui/SidePanel';
import { ToastProvider } from '../ui/Toasts';
import { ChatPage } from './ChatPage';

export function App() {
  const session = useSession();
  const { device } = useSettings();
  if (!session) return <LoginPage />;
  return (
    <AnnouncerProvider>
      <ToastProvider>
        <RealtimeProvider key={session.user.id} tokens={tokens} device={device}>
          <OutboxProvider userId={session.user.id}>
            <SidePanelProvider>
              <ChatPage user={session.user} />
            </SidePanelProvider>
          </OutboxProvider>
        </RealtimeProvider>
      </ToastProvider>
    </AnnouncerProvider>
  );
}
