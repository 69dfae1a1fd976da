// The receipt of a deleted session, for as long as this browser keeps it.
import { ChevronLeftIcon } from "@primer/octicons-react";
import { type ReactElement, useEffect, useState } from "react";
import { Go } from "../components/basics.tsx";
import { useClient } from "../components/hooks.ts";
import { ReceiptCard } from "../components/receipt.tsx";
import type { Certificate } from "../state/deletion.ts";

export function ReceiptView({ id }: { id: string }): ReactElement {
  const client = useClient();
  const [certificate, setCertificate] = useState<Certificate | "absent" | null>(null);
  useEffect(() => {
    let left = false;
    void client.receipt(id).then((found) => {
      if (!left) setCertificate(found ?? "absent");
    });
    return () => {
      left = true;
    };
  }, [client, id]);
  return (
    <main className="conv" id="main">
      <header className="head">
        <Go to="/" className="b bare icon only-phone" aria-label="Back to sessions">
          <ChevronLeftIcon className="i" />
        </Go>
        <h1 className="grow">Deleted</h1>
      </header>
      <div className="scroll">
        <div className="page">
          {certificate === "absent" && <p className="dim">This browser keeps no receipt of that session.</p>}
          {certificate !== null && certificate !== "absent" && <ReceiptCard certificate={certificate} host={new URL(client.api.origin).host} />}
          <p className="gaptop">
            <Go to="/" className="b">
              All sessions
            </Go>
          </p>
        </div>
      </div>
    </main>
  );
}
