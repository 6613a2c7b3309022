// A whole cogflow for one test: Temporal, a worker, the gateway, and clips that were ingested.
import { spawn, execFile } from "node:child_process";
import { mkdtemp, mkdir, rm, cp, writeFile, appendFile } from "node:fs/promises";
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

// clip makes a video of VP8, which every Chromium plays. The preview describer reads its words.
async function clip(file, words, picture) {
  await run("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=d=6",
    "-vf", `drawtext=text='${words}':fontsize=48:fontcolor=white:box=1:boxcolor=black:x=40:y=150:enable='between(t,3,5)'`,
    "-pix_fmt", "yuv420p", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k", "-c:a", "libvorbis", file]);
}

// start starts everything. base is the listener of this host, keyed is one that requires a key.
export async function start() {
  const dir = await mkdtemp(path.join(tmpdir(), "cogflow-page-"));
  const clips = path.join(dir, "clips");
  await mkdir(clips);
  const made = [
    clip(path.join(clips, "harbour.webm"), "BLUE HARBOUR", "gradients=s=640x360:r=25:d=6:c0=0x103a5c:c1=0x2f8fb3:c2=0xf2c14e:n=3:speed=0.02:seed=4"),
    clip(path.join(clips, "other.webm"), "GREEN FIELD", "gradients=s=640x360:r=25:d=6:c0=0x0b3d20:c1=0x7fb069:c2=0xe6e0b0:n=3:speed=0.02:seed=9"),
  ];
  const ports = {};
  for (const name of ["server", "ui", "main", "keyed"]) ports[name] = await freePort();
  const config = path.join(dir, "config.json");
  await writeFile(config, JSON.stringify({ cogflow: { sources: { default: [clips] }, gateway: { listeners: {
    main: { address: "127.0.0.1:" + ports.main, tenant: "default" }, keyed: { address: "127.0.0.1:" + ports.keyed },
  } } } }));
  const env = { ...process.env, COGNIVERSE_CONFIG: config, COGFLOW_PORT: String(ports.server), COGFLOW_UI_PORT: String(ports.ui), COGFLOW_TELEMETRY: "off" };
  const worker = spawn(path.join(bin, "cogflow-worker"), ["--dev"], { cwd: dir, env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const out of [worker.stdout, worker.stderr]) out.on("data", (d) => { said += d; });
  const base = "http://127.0.0.1:" + ports.main;
  const cogflow = async (...args) => (await run(path.join(bin, "cogflow"), args, { cwd: dir, env: { ...process.env, COGFLOW_TELEMETRY: "off" } })).stdout;
  const stop = async () => {
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.kill("SIGTERM");
    await ended;
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await Promise.all(made);
    await cp(path.join(clips, "other.webm"), path.join(clips, hostile));
    await appendFile(path.join(clips, hostile), "x"); // another content
    await until(async () => (await (await fetch(base + "/pools")).json()).pools[0].workers > 0, () => said);
    await cogflow("ingest", clips, "--quiet");
    const { secret } = JSON.parse(await cogflow("keys", "create", "--tenant", "default", "--json"));
    return { base, keyed: "http://127.0.0.1:" + ports.keyed, secret, dir, clips, cogflow, stop };
  } catch (e) {
    await stop();
    throw e;
  }
}

// until waits for a state of another process. It asks, and does not guess a time.
async function until(good, why) {
  for (const end = Date.now() + 120_000; Date.now() < end;) {
    try { if (await good()) return; } catch { /* it does not listen yet */ }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error("it did not become ready: " + why());
}
