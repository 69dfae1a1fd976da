// A deletion's receipt as a certificate: what the relay signed, and what of it was checked here.
import { AlertIcon } from "@primer/octicons-react";
import type { ReactElement } from "react";
import { leafHash, toHex, utf8 } from "../crypto/index.ts";
import type { Certificate } from "../state/deletion.ts";
import { Note } from "./basics.tsx";
import { download } from "./download.ts";
import { fullTime, number, plural } from "./format.ts";
import { LogNumber, Rosette } from "./marks.tsx";

export function ReceiptCard({ certificate, host }: { certificate: Certificate; host: string }): ReactElement {
  const { receipt, note, about, title } = certificate;
  const what = about === "session" ? "session" : "account";
  const id = certificate.id.slice(0, 8);
  if (receipt === null || note === null) {
    return (
      <div data-testid="receipt" data-verified="false">
        <Note tone={note === null ? "ask" : "bad"} icon={<AlertIcon className="i" />} title={about === "session" ? `“${title}” is deleted` : "Your account is deleted"}>
          <p>
            {host} said so at {fullTime(certificate.at)}. {certificate.problem}
          </p>
          {note !== null && (
            <div className="acts">
              <button type="button" className="b" onClick={() => download(`consortium-deletion-${id}-unverified.json`, `${JSON.stringify(certificate.answer, null, 2)}\n`, "application/json")}>
                Save what the relay sent
              </button>
            </div>
          )}
        </Note>
      </div>
    );
  }
  return (
    <article className="receipt" data-testid="receipt" data-verified="true" data-revision={receipt.deleted}>
      <div className="top">
        <div className="grow">
          <p className="no">receipt, {host}</p>
          <h2>Deleted for ever</h2>
          <p className="bigno">
            <span className="ruled" data-r="proved">
              <LogNumber revision={receipt.deleted} />
            </span>
          </p>
        </div>
        <Rosette hex={toHex(leafHash(utf8(note))).slice(0, 16)} size={84} />
      </div>
      <dl className="facts">
        <dt>{about === "session" ? "Session" : "Account"}</dt>
        <dd>
          {receipt.about === "session"
            ? `${title}, ${plural(receipt.messages, "message")}`
            : `all of it: ${plural(receipt.sessions, "session")}, ${plural(receipt.machines, "machine")}`}
          <span className="mono wrap idline">{receipt.id}</span>
        </dd>
        <dt>Entries</dt>
        <dd>
          #{number(receipt.created)} to #{number(receipt.deleted)}
          {about === "session" && ", as far as they are this session's"}
        </dd>
        <dt>Key destroyed</dt>
        <dd>{fullTime(receipt.time)}, as the relay says under its signature</dd>
        <dt>Signed by</dt>
        <dd>
          <span className="mono wrap">{(certificate.key ?? "").split("+").slice(0, 2).join("+")}</span>
        </dd>
        <dt>Proved here</dt>
        <dd>
          The signature is the pinned key's, and the deletion is in the log as #{number(receipt.deleted)}.{" "}
          {certificate.extends === true
            ? "That log only extends what this browser accepted before."
            : "Whether that log extends what this browser accepted before was not compared."}
        </dd>
      </dl>
      <p className="mid small">
        No proof can show that a key is gone. This is the relay's signed word that it destroyed the {what}'s key with this entry; whoever finds the key later can hold it against them. Copies made before, and
        what somebody read before, are not reached.
      </p>
      <div className="btnrow">
        <button type="button" className="b" data-testid="receipt-save" onClick={() => download(`consortium-deletion-${id}.txt`, note)}>
          Save receipt
        </button>
        <button
          type="button"
          className="b bare"
          data-testid="receipt-save-proof"
          onClick={() => download(`consortium-deletion-${id}.json`, `${JSON.stringify({ about: "A deletion of a Consortium log", key: certificate.key, ...certificate.answer }, null, 2)}\n`, "application/json")}
        >
          Save with proof
        </button>
      </div>
    </article>
  );
}
