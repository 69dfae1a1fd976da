// Which page is shown: by who is signed in, then by the path.
import { lazy, type ReactElement, Suspense, useEffect, useState } from "react";
import { Logo } from "../components/marks.tsx";
import { PaneGuard } from "../components/guard.tsx";
import { navigate, useClient, usePath, useSignal } from "../components/hooks.ts";
import { part } from "../components/parts.ts";
import { StorageNote } from "../components/storagenote.tsx";
import { FirstLook } from "./devices.tsx";
import { KeyView } from "./key.tsx";
import { PairView } from "./pair.tsx";
import { Welcome } from "./welcome.tsx";

const Shell = lazy(() => part("shell", () => import("./shell.tsx")));

/** Of a link that somebody was invited with. */
function invitationOf(hash: string): string | null {
  const found = /^#invite=([A-Za-z0-9-]{1,128})$/.exec(hash);
  return found?.[1] ?? null;
}

function Starting(): ReactElement {
  return (
    <div className="starting">
      <Logo />
    </div>
  );
}

export function App(): ReactElement {
  return (
    <PaneGuard name="This page" className="starting">
      <Pages />
      <StorageNote />
    </PaneGuard>
  );
}

function Pages(): ReactElement {
  const client = useClient();
  const phase = useSignal(client.phase);
  const path = usePath();
  const firstLook = useSignal(client.firstLook);
  const [fresh, setFresh] = useState(false);
  // A link that was opened directly waits here through sign-in, at most as long as the page lives.
  const [link, setLink] = useState(() => (/^\/pair\/?$/.test(location.pathname) && location.hash.length > 1 ? location.href : null));
  useEffect(() => {
    const opened = () => {
      if (/^\/pair\/?$/.test(location.pathname) && location.hash.length > 1) setLink(location.href);
    };
    addEventListener("hashchange", opened);
    return () => removeEventListener("hashchange", opened);
  }, []);
  const [invited, setInvited] = useState(() => invitationOf(location.hash));
  useEffect(() => {
    // It opens the relay to whoever reads it: out of the address bar, and out of the history.
    const take = () => {
      const code = invitationOf(location.hash);
      if (code === null) return;
      setInvited(code);
      history.replaceState(history.state, "", location.pathname + location.search);
    };
    take();
    addEventListener("hashchange", take);
    return () => removeEventListener("hashchange", take);
  }, []);
  const signedIn = phase === "ready";
  useEffect(() => {
    if (signedIn) setInvited(null);
  }, [signedIn]);
  const pairing = /^\/pair\/?$/.test(path);
  useEffect(() => {
    if (!pairing) setLink(null);
  }, [pairing]);

  switch (phase) {
    case "starting":
      return <Starting />;
    case "signed-out":
    case "revoked":
    case "gone":
      return <Welcome key={`${phase} ${invited ?? ""}`} pairing={link !== null} invited={invited} left={phase === "signed-out" ? null : phase} onCreated={() => setFresh(true)} />;
    case "ready":
      if (fresh || path === "/key") {
        return (
          <KeyView
            onDone={() => {
              const first = fresh;
              setFresh(false);
              if (path === "/key") navigate("/", true);
              else if (first && !pairing) navigate("/", true);
            }}
          />
        );
      }
      if (firstLook) return <FirstLook />;
      if (pairing) return <PairView key={link ?? ""} initialLink={link} />;
      return (
        <Suspense fallback={<Starting />}>
          <Shell path={path} />
        </Suspense>
      );
  }
}
