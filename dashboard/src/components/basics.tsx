// Small parts used everywhere.
import { CheckIcon, CopyIcon } from "@primer/octicons-react";
import { type ReactElement, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { navigate } from "./hooks.ts";

/** A link inside the app: the browser's own behaviour for new tabs, ours for the rest. */
export function Go({ to, children, ...rest }: { to: string; children: ReactNode } & Omit<React.AnchorHTMLAttributes<HTMLAnchorElement>, "href">): ReactElement {
  return (
    <a
      {...rest}
      href={to}
      onClick={(event) => {
        rest.onClick?.(event);
        if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        navigate(to);
      }}
    >
      {children}
    </a>
  );
}

export function CopyButton({ text, label = "Copy", bare = true }: { text: string; label?: string; bare?: boolean }): ReactElement | null {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  // Browsers keep the clipboard, too, from pages that are not safe.
  if ((navigator as { clipboard?: Clipboard }).clipboard === undefined) return null;
  const Icon = copied ? CheckIcon : CopyIcon;
  return (
    <button
      type="button"
      className={bare ? "b bare icon" : "b"}
      aria-label={bare ? label : undefined}
      title={bare ? label : undefined}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true), () => undefined)}
    >
      <Icon className="i" />
      {!bare && (copied ? "Copied" : label)}
      <span className="vh" role="status">{copied ? "Copied" : ""}</span>
    </button>
  );
}

export function Command({ text }: { text: string }): ReactElement {
  return (
    <div className="cmd">
      <code translate="no">{text}</code>
      <CopyButton text={text} label="Copy the command" />
    </div>
  );
}

/** What happened, what is kept, what to do. */
export function Note({ tone, icon, title, children, testId }: { tone?: "bad" | "ask"; icon: ReactNode; title: string; children?: ReactNode; testId?: string }): ReactElement {
  return (
    <div className={`note ${tone ?? ""}`} role={tone === "bad" ? "alert" : undefined} data-testid={testId}>
      {icon}
      <h3>{title}</h3>
      {children}
    </div>
  );
}

/** A dialog: traps focus (native), closes on Esc and outside, gives focus back. On a phone a sheet from below. */
export function Dialog({ onClose, title, children, className, testId }: { onClose: () => void; title: string; children: ReactNode; className?: string; testId?: string }): ReactElement {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      className={`dialog ${className ?? ""}`}
      aria-labelledby={id}
      data-testid={testId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-in">
        <div className="grab" />
        <h2 id={id} className="dialog-title">
          {title}
        </h2>
        {children}
      </div>
    </dialog>
  );
}

export interface MenuItem {
  readonly label: string;
  readonly icon: ReactNode;
  readonly testId: string;
  readonly tone?: "fail";
  act(): void;
}

/** A button that opens a short list of actions. */
export function Menu({ label, icon, items, testId }: { label: string; icon: ReactNode; items: readonly MenuItem[]; testId: string }): ReactElement {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  return (
    <div
      className="menu"
      ref={box}
      onKeyDown={(event) => {
        if (!open) return;
        const entries = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
        const at = entries.indexOf(document.activeElement as HTMLElement);
        if (event.key === "Escape") {
          setOpen(false);
          box.current?.querySelector<HTMLElement>("button")?.focus();
        } else if (event.key === "ArrowDown") entries[(at + 1) % entries.length]?.focus();
        else if (event.key === "ArrowUp") entries[(at - 1 + entries.length) % entries.length]?.focus();
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      <button type="button" className="b bare icon" aria-label={label} aria-haspopup="menu" aria-expanded={open} data-testid={testId} onClick={() => setOpen(!open)}>
        {icon}
      </button>
      {open && (
        <div className="menu-list" role="menu">
          {items.map((item) => (
            <button
              key={item.testId}
              type="button"
              role="menuitem"
              tabIndex={-1}
              data-testid={item.testId}
              className={item.tone === "fail" ? "fail" : ""}
              onClick={() => {
                setOpen(false);
                item.act();
              }}
            >
              {item.icon}
              {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** Seconds until something ends, as m:ss. */
export function Countdown({ until, now }: { until: number; now: number }): ReactElement {
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  return (
    <span className="tnum">
      {Math.floor(seconds / 60)}:{String(seconds % 60).padStart(2, "0")}
    </span>
  );
}

/** The last line of a dialog that only tells something. */
export function CloseLine({ onClose }: { onClose(): void }): ReactElement {
  return (
    <div className="acts flush">
      <span className="grow" />
      <button type="button" className="b" onClick={onClose}>
        Close
      </button>
    </div>
  );
}
