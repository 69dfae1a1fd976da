// The receipt of a deleted session, for as long as this browser keeps it.
import { type ReactElement, useEffect, useState } from "react";
import { Go } from "../components/basics.tsx";
import { useClient } from "../components/hooks.ts";
import { Page } from "../components/page.tsx";
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
    <Page title="Deleted">
      {certificate === "absent" && <p className="dim">This browser keeps no receipt of that session.</p>}
      {certificate !== null && certificate !== "absent" && <ReceiptCard certificate={certificate} host={new URL(client.api.origin).host} />}
      <p className="gaptop">
        <Go to="/" className="b">
          All sessions
        </Go>
      </p>
    </Page>
  );
}
