import { tokens } from '../features/authentication/api';
import { LoginPage } from '../features/authentication/LoginPage';
import { useSession } from '../features/authentication/session';
import { OutboxProvider } from '../features/outbox/OutboxProvider';
import { RealtimeProvider } from '../realtime/RealtimeProvider';
import { AnnouncerProvider } from '../ui/Announcer';
import { ToastProvider } from '../ui/Toasts';
import { ChatPage } from './ChatPage';

export function App() {
  const session = useSession();
  if (!session) return <LoginPage />;
  return (
    <AnnouncerProvider>
      <ToastProvider>
        <RealtimeProvider key={session.user.id} tokens={tokens}>
          <OutboxProvider userId={session.user.id}>
            <ChatPage user={session.user} />
          </OutboxProvider>
        </RealtimeProvider>
      </ToastProvider>
    </AnnouncerProvider>
  );
}
