// A camera picture for Chromium's fake camera: a QR code, as a few frames of Y4M.
import { writeFileSync } from "node:fs";
import encodeQR from "qr";

export function writeQrVideo(path: string, text: string): void {
  const [width, height] = [640, 480];
  const modules = encodeQR(text, "raw", { ecc: "low", border: 4 }) as boolean[][];
  const scale = Math.floor(440 / modules.length);
  const [left, top] = [width, height].map((side) => Math.floor((side - modules.length * scale) / 2)) as [number, number];
  const luma = Buffer.alloc(width * height, 200);
  modules.forEach((line, r) =>
    line.forEach((dark, q) => {
      for (let y = 0; y < scale; y += 1) {
        const start = (top + r * scale + y) * width + left + q * scale;
        luma.fill(dark ? 30 : 235, start, start + scale);
      }
    }),
  );
  const frame = Buffer.concat([Buffer.from("FRAME\n"), luma, Buffer.alloc((width * height) / 2, 128)]);
  writeFileSync(path, Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F10:1 Ip A0:0 C420jpeg\n`), ...Array.from({ length: 10 }, () => frame)]));
}
