// A whole cogflow for one test: Temporal, a worker, the gateway, and clips that were ingested.
import { spawn, execFile } from "node:child_process";
import { mkdtemp, mkdir, rm, cp } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const bin = process.env.BIN ?? path.resolve("../../../../bin");

const freePort = () => new Promise((resolve) => {
  const s = createServer().listen(0, "127.0.0.1", () => {
    const { port } = s.address();
    s.close(() => resolve(port));
  });
});

export const hostile = "<img src=x onerror=alert(1)>.mp4";

export async function start() {
  const dir = await mkdtemp(path.join(tmpdir(), "cogflow-page-"));
  const clips = path.join(dir, "clips");
  await mkdir(clips);
  // H.264 and VP9 are in every Chromium of Debian; the words are what the preview describer reads.
  const clip = (name, words, rate) => run("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", `testsrc2=s=640x360:r=25:d=6`, "-f", "lavfi", "-i", "sine=d=6",
    "-vf", `drawtext=text='${words}':fontsize=48:fontcolor=white:box=1:boxcolor=black:x=40:y=150:enable='between(t,3,5)'`,
    "-c:v", "libvpx", "-b:v", rate, "-c:a", "libvorbis", path.join(clips, name)]);
  await clip("harbour.webm", "BLUE HARBOUR", "300k");
  await clip("other.webm", "GREEN FIELD", "310k");
  await cp(path.join(clips, "other.webm"), path.join(clips, hostile));
  await run("sh", ["-c", "printf x >> \"$1\"", "sh", path.join(clips, hostile)]); // another content
  const [port, ui, at] = [await freePort(), await freePort(), await freePort()];
  const env = { ...process.env, COGFLOW_PORT: String(port), COGFLOW_UI_PORT: String(ui), COGFLOW_GATEWAY_ADDRESS: "127.0.0.1:" + at, COGFLOW_TELEMETRY: "off" };
  const worker = spawn(path.join(bin, "cogflow-worker"), ["--dev"], { cwd: dir, env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const out of [worker.stdout, worker.stderr]) out.on("data", (d) => { said += d; });
  const base = "http://127.0.0.1:" + at;
  const cogflow = (...args) => run(path.join(bin, "cogflow"), args, { cwd: dir, env: { ...process.env, COGFLOW_TELEMETRY: "off" } });
  try {
    await until(async () => (await fetch(base + "/pools")).ok && (await (await fetch(base + "/pools")).json()).pools[0].workers > 0, () => said);
  } catch (e) {
    worker.kill("SIGTERM");
    throw e;
  }
  return {
    base, dir, clips, cogflow,
    async stop() {
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      worker.kill("SIGTERM");
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

// until waits for a state of another process. It asks, and does not guess a time.
async function until(good, why) {
  for (const end = Date.now() + 120_000; Date.now() < end;) {
    try { if (await good()) return; } catch { /* it does not listen yet */ }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error("it did not become ready: " + why());
}
