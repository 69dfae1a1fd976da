// Opened over plain HTTP from another machine: the browser withholds cryptography. Say why, and what helps.
import type { ReactElement } from "react";
import { Command } from "../components/basics.tsx";
import { Cover } from "./cover.tsx";

export function Insecure(): ReactElement {
  const host = location.hostname;
  const port = location.port || "80";
  return (
    <Cover wide>
      <h1 className="title" data-testid="insecure">
        This address is not safe enough
      </h1>
      <p className="mid sub">
        Your sessions are opened here, in the browser. Browsers give a page their cryptography only where nobody on the way can change it: over HTTPS, or on the same machine. This page came over plain HTTP
        from <span className="mono">{location.host}</span>, so there is nothing to open your sessions with, and nothing was sent.
      </p>
      <ol className="ways">
        <li>
          <b>On this machine?</b> Open it as{" "}
          <a className="link mono" href={`http://localhost:${port}${location.pathname}${location.hash}`}>
            localhost:{port}
          </a>
          .
        </li>
        <li>
          <b>From another machine, for now:</b> forward the port, then open <span className="mono">http://localhost:{port}</span>.
          <Command text={`ssh -L ${port}:localhost:${port} ${host}`} />
        </li>
        <li>
          <b>From a phone, or for good:</b> serve it over HTTPS. With a certificate of its own:
          <Command text="scripts/run --tls" />
          or behind a proxy that has one; tell the relay its address with <span className="mono">--public-url</span>.
        </li>
      </ol>
    </Cover>
  );
}
