import { LoginPage } from '../session/LoginPage';
import { useSession } from '../session/session';
import { AnnouncerProvider } from '../ui/Announcer';
import { ToastProvider } from '../ui/Toasts';
import { ChatPage } from './ChatPage';

export function App() {
  const session = useSession();
  if (!session) return <LoginPage />;
  return (
    <AnnouncerProvider>
      <ToastProvider>
        <ChatPage key={session.user.id} user={session.user} />
      </ToastProvider>
    </AnnouncerProvider>
  );
}
