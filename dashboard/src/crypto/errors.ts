/** What can be wrong with bytes that came from outside. `code` is stable, the message is for people. */
export type CryptoErrorCode =
  | "bad-encoding" // not base64, base32 or hex of the expected length
  | "bad-format" // decodes, but is not the structure it should be
  | "bad-version" // a version byte this client does not know
  | "not-authentic" // a tag, mac or signature does not verify
  | "wrong-origin" // a challenge or link of another relay
  | "wrong-identity"; // a challenge for another key

export class CryptoError extends Error {
  readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string) {
    super(message);
    this.name = "CryptoError";
    this.code = code;
  }
}
