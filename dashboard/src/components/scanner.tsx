// Reads a QR code with the camera. Loaded only when asked for.
import decodeQR from "qr/decode.js";
import { type ReactElement, useEffect, useRef, useState } from "react";

/** Decoding looks at a picture of at most this side. */
const sideMax = 640;
const everyMs = 150;

export default function Scanner({ onText }: { onText(text: string): void }): ReactElement {
  const video = useRef<HTMLVideoElement>(null);
  const [error, setError] = useState<string | null>(null);
  const give = useRef(onText);
  give.current = onText;

  useEffect(() => {
    let stopped = false;
    let stream: MediaStream | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });

    const look = () => {
      if (stopped) return;
      const element = video.current;
      if (element !== null && context !== null && element.videoWidth > 0) {
        const scale = Math.min(1, sideMax / Math.max(element.videoWidth, element.videoHeight));
        canvas.width = Math.round(element.videoWidth * scale);
        canvas.height = Math.round(element.videoHeight * scale);
        context.drawImage(element, 0, 0, canvas.width, canvas.height);
        try {
          const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
          give.current(decodeQR({ data, width, height }));
        } catch {
          // No code in this picture.
        }
      }
      timer = setTimeout(look, everyMs);
    };

    const start = async () => {
      if (navigator.mediaDevices === undefined) return setError("This browser has no camera to offer. Paste the link instead.");
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      } catch (failure) {
        const name = failure instanceof DOMException ? failure.name : "";
        setError(
          name === "NotAllowedError"
            ? "The browser was not allowed to use the camera. Allow it in the address bar, or paste the link."
            : name === "NotFoundError"
              ? "There is no camera here. Paste the link instead."
              : "The camera could not be started; another program may be using it. Paste the link instead.",
        );
        return;
      }
      if (stopped || video.current === null) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      video.current.srcObject = stream;
      await video.current.play().catch(() => undefined);
      look();
    };
    void start();
    return () => {
      stopped = true;
      clearTimeout(timer);
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
  }, []);

  return error === null ? (
    <div className="camera">
      <video ref={video} playsInline muted aria-label="Camera picture" />
      <p className="dim small">Hold the terminal's QR code into the picture.</p>
    </div>
  ) : (
    <p className="bad" role="alert">
      {error}
    </p>
  );
}
