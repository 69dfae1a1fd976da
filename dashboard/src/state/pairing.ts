// A request to be paired, looked at before anybody approves it.
import type { Api } from "../api/http.ts";
import { CryptoError, parsePairingLink, toBase64, type VerifiedRequest, verifyRequest } from "../crypto/index.ts";

export type PairingCheck =
  | { readonly state: "pending"; readonly request: VerifiedRequest }
  | { readonly state: "not-found" | "answered" | "unsealed" | "wrong-mac" | "other-relay"; readonly relay?: string };

/** Looks at the request a pairing link names, and proves that it is the link's. Throws CryptoError for a bad link, ApiError. */
export async function checkPairing(api: Api, linkText: string): Promise<PairingCheck> {
  const link = parsePairingLink(linkText);
  if (link.relay !== null && new URL(link.relay).origin !== api.origin) return { state: "other-relay", relay: link.relay };
  const status = await api.pairingStatus(toBase64(link.publicKey));
  if (status.status === "not_found") return { state: "not-found" };
  if (status.status === "authorized") return { state: "answered" };
  if (status.sealed !== true || status.device === undefined || status.mac === undefined) return { state: "unsealed" };
  try {
    return { state: "pending", request: await verifyRequest(link, status.device, status.mac) };
  } catch (error) {
    if (error instanceof CryptoError) return { state: "wrong-mac" };
    throw error;
  }
}
