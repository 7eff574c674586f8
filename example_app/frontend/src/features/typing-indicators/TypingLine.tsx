export function TypingLine({ text }: { text: string }) {
  return (
    <p role="status" aria-label="Typing" className="flex h-6 items-center gap-2 px-5 text-sm text-muted">
      {text && (
        <>
          <span aria-hidden className="flex shrink-0 gap-1">
            <span className="typing-dot size-1.5 rounded-full bg-accent" />
            <span className="typing-dot size-1.5 rounded-full bg-accent [animation-delay:0.2s]" />
            <span className="typing-dot size-1.5 rounded-full bg-accent [animation-delay:0.4s]" />
          </span>
          <span className="min-w-0 truncate">{text}</span>
        </>
      )}
    </p>
  );
}
