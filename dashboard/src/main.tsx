import "@fontsource-variable/ibm-plex-sans/wght.css";
import "@fontsource-variable/ibm-plex-sans/wght-italic.css";
import "./styles/fonts.css";
import "./styles/tokens.css";
import "./styles/app.css";
import "./styles/log.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { browserName } from "./components/format.ts";
import { ClientContext, thisTab } from "./components/hooks.ts";
import { surviveForeignChanges } from "./foreign.ts";
import { Client } from "./state/client.ts";
import { Database } from "./state/database.ts";
import { App } from "./views/app.tsx";
import { Insecure } from "./views/insecure.tsx";

const place = document.getElementById("root") as HTMLElement;
surviveForeignChanges(place);
const root = createRoot(place);

async function begin(): Promise<void> {
  if (!isSecureContext || globalThis.crypto?.subtle === undefined) {
    root.render(<Insecure />);
    return;
  }
  const database = await Database.open();
  const client = new Client({
    origin: location.origin,
    database,
    deviceName: browserName(navigator.userAgent),
    locks: navigator.locks,
    isOnline: () => navigator.onLine,
  });
  addEventListener("online", () => client.wake());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") client.wake();
  });
  addEventListener("beforeunload", (event) => {
    if (client.wouldLose) event.preventDefault();
  });
  // What is kept here is the only key: ask the browser not to clear it when space runs short.
  void client.phase
    .when((phase) => phase === "ready")
    .then(() => navigator.storage?.persist?.())
    .catch(() => undefined);
  // Signed out in another tab: here as well. A tab that still has a receipt to show names itself, and stays.
  new BroadcastChannel("consortium").onmessage = (event) => {
    if (event.data !== thisTab) location.reload();
  };
  root.render(
    <StrictMode>
      <ClientContext value={client}>
        <App />
      </ClientContext>
    </StrictMode>,
  );
  await client.start();
}

void begin();
