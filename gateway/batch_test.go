package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config"
)

// zipped is the body of a batch. The names are also the keys, with "key-" in front.
func zipped(t *testing.T, files map[string][]byte, mapped ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	mapping := map[string]string{}
	for name, data := range files {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = f.Write(data)
		require.NoError(t, err)
		mapping[name] = "key-" + name
	}
	require.NoError(t, w.Close())
	for _, name := range mapped {
		mapping[name] = "key-" + name
	}
	body, err := json.Marshal(map[string]any{"zip_data": base64.StdEncoding.EncodeToString(out.Bytes()), "frame_mapping": mapping})
	require.NoError(t, err)
	return string(body)
}

const batchPath = "/upload_and_process_frames"

// frames are pictures of several sizes from a number of pixels on, so that batches share none.
func frames(t *testing.T, from, count int) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for i := range count {
		out["f"+strconv.Itoa(i)+".jpg"] = picture(t, from+i, 8)
	}
	return out
}

// TestGuideBatch: a batch of frames is a job, whatever becomes of its caller, of the gateway and of
// the worker. It takes more than ten seconds, because a worker that was killed is only missed when
// its heartbeats are.
func TestGuideBatch(t *testing.T) { //nolint:tparallel // the parts share the model server and the worker
	t.Parallel()
	s := newBatchStack(t)
	t.Run("failures", s.failures)
	t.Run("refusals", s.refusals)
	t.Run("later", s.later)
	t.Run("budget", s.budget)
	t.Run("kill the gateway", s.killGateway)
	t.Run("kill the worker", s.killWorker)
}

// failures: a frame that fails does not fail the others, and a batch that is sent again pays only for
// the frames that have no description.
func (s *batchStack) failures(t *testing.T) {
	files := map[string][]byte{"a.jpg": picture(t, 8, 8), "b.jpg": picture(t, 16, 8), "c.jpg": []byte("PK\x03\x04 an archive"), "d.png": []byte("%!PS")}
	main, old := s.url(t, "main")+batchPath, s.url(t, "old")+"/upload-and-process-frames"
	first := send(t, http.MethodPost, main, zipped(t, files, "gone.jpg"))
	require.Equal(t, 200, first.status, first.body)
	got := object(t, first.body)
	require.Equal(t, map[string]any{"key-a.jpg": "hello", "key-b.jpg": "hello"}, got["descriptions"])
	require.InDelta(t, 2, got["processed_frames"], 0)
	require.Regexp(t, `^frames-acme-[0-9a-f]{12}-[0-9a-f]{12}$`, got["upload_id"])
	require.Len(t, got["failures"], 3)
	require.Contains(t, first.body, "not a PNG")
	require.EqualValues(t, 2, s.model.calls.Load())
	require.NotContains(t, s.model.said(), `"temperature":0,`)

	files["e.jpg"] = picture(t, 8, 16)
	second := send(t, http.MethodPost, old, zipped(t, files))
	require.Equal(t, 200, second.status, second.body)
	got = object(t, second.body)
	require.Len(t, got["descriptions"], 5)
	require.InDelta(t, 5, got["processed_frames"], 0)
	require.Contains(t, got["descriptions"].(map[string]any)["key-c.jpg"], "Error: ", "the callers of the originals find failures among the descriptions")
	require.NotContains(t, got, "failures")
	require.EqualValues(t, 3, s.model.calls.Load(), "descriptions that are stored are not paid again")

	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, image.NewGray(image.Rect(0, 0, 40, 8))))
	asked := send(t, http.MethodPost, main, strings.Replace(zipped(t, map[string][]byte{"a.png": out.Bytes()}), "{", `{"prompt":"What is this?",`, 1))
	require.Equal(t, 200, asked.status, asked.body)
	require.Contains(t, s.model.said(), "What is this?")
	require.Contains(t, s.model.said(), "data:image/jpeg;base64,")
	require.EqualValues(t, 4, s.model.calls.Load())

	// A frame that is there twice has one description, and one call.
	same := send(t, http.MethodPost, main, zipped(t, map[string][]byte{"a.jpg": picture(t, 24, 8), "b.jpg": picture(t, 24, 8)}))
	require.Equal(t, 200, same.status, same.body)
	require.Len(t, object(t, same.body)["descriptions"], 2)
	require.EqualValues(t, 5, s.model.calls.Load())
}

// refusals: what is wrong with a request is said before anything is stored or asked.
func (s *batchStack) refusals(t *testing.T) {
	files, before := frames(t, 100, 2), s.model.calls.Load()
	unmapped := strings.Replace(zipped(t, files), `"f0.jpg":"key-f0.jpg"`, `"z.jpg":"key-f0.jpg"`, 1)
	twice := strings.Replace(zipped(t, files), `"key-f1.jpg"`, `"key-f0.jpg"`, 1)
	for _, body := range []string{
		unmapped, twice, zipped(t, map[string][]byte{"../a.jpg": files["f0.jpg"]}), zipped(t, map[string][]byte{"x.jpg": []byte("no picture")}), zipped(t, nil),
		`{"zip_data":"!","frame_mapping":{}}`, `{"zip_data":"UEs=","frame_mapping":{}}`, `{}`, `{"ZIP_DATA":"UEs="}`,
		strings.Replace(zipped(t, files), "{", `{"max_cost":-1,`, 1),
	} {
		got := send(t, http.MethodPost, s.url(t, "main")+batchPath, body)
		require.Equal(t, 400, got.status, got.body)
		got = send(t, http.MethodPost, s.url(t, "old")+batchPath, body)
		require.Equal(t, 200, got.status)
		require.Contains(t, object(t, got.body), "upload_id")
		require.Contains(t, object(t, got.body), "error")
	}
	for query, status := range map[string]int{"?wait=never": 400, "?wait=4h": 400, "": 400} { // the open listener has no model
		require.Equal(t, status, send(t, http.MethodPost, s.url(t, "open")+batchPath+query, zipped(t, files)).status, query)
	}
	other := send(t, http.MethodPost, s.url(t, "open")+batchPath, named(t, files, "other"))
	require.Equal(t, 404, other.status)
	require.Equal(t, "model_not_found", code(t, other.body))
	require.Equal(t, 404, send(t, http.MethodGet, s.url(t, "open")+batchPath+"/absent", "").status)
	require.Equal(t, before, s.model.calls.Load())
}

// named is a batch for a model.
func named(t *testing.T, files map[string][]byte, model string) string {
	t.Helper()
	return strings.Replace(zipped(t, files), "{", `{"model":"`+model+`",`, 1)
}

// later: a caller who does not wait finds the job, and attaches to it by the same call.
func (s *batchStack) later(t *testing.T) {
	release, before := s.model.hold(t), s.model.calls.Load()
	open, body := s.url(t, "open"), named(t, frames(t, 200, 3), "m")
	got := send(t, http.MethodPost, open+batchPath, body, "Prefer", "respond-async, wait=0")
	require.Equal(t, 202, got.status, got.body)
	require.Equal(t, "wait=0", got.header.Get("Preference-Applied"))
	said := object(t, got.body)
	require.Equal(t, "/jobs/"+said["id"].(string), said["address"])
	require.Equal(t, said["address"], got.header.Get("Location"))
	again := send(t, http.MethodPost, open+batchPath+"?wait=1", body)
	require.Equal(t, 202, again.status, again.body)
	require.Equal(t, said, object(t, again.body), "the same batch is the same job")

	s.model.await(t, 1)
	var job map[string]any
	require.Eventually(t, func() bool { // without progress if the worker is too slow to be asked
		job = nil
		got := send(t, http.MethodGet, open+said["address"].(string), "")
		return got.err == nil && json.Unmarshal([]byte(got.body), &job) == nil && job["progress"] != nil
	}, time.Minute, 10*time.Millisecond, "%s", said["address"])
	require.Equal(t, "DescribeFrames", job["type"])
	require.Equal(t, "running", job["state"])
	require.InDelta(t, 3, job["progress"].(map[string]any)["frames"], 0)
	at := open + said["descriptions_address"].(string)
	require.Equal(t, 202, send(t, http.MethodGet, at, "").status)
	s.swept(t, 3) // of other batches, whose jobs the server may still list as running
	s.swept(t, 3) // the frames of a batch that runs stay, also when there are no others
	waits := sends(t, open+batchPath, body)
	release()
	got = <-waits
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, 1, s.swept(t, 0))
	same := send(t, http.MethodGet, at+"?wait=60s", "")
	require.Equal(t, 200, same.status, same.body)
	require.Equal(t, object(t, got.body)["descriptions"], object(t, same.body)["descriptions"])
	require.EqualValues(t, 3, s.model.calls.Load()-before)
}

// pictures are the stored frames.
func (s *batchStack) pictures() int {
	found, _ := filepath.Glob(s.dir + "/store/acme/batches/*/*.jpg") // the pattern is a right one
	return len(found)
}

// swept sweeps until so many frames are left, and returns how many batches it has removed.
func (s *batchStack) swept(t *testing.T, left int) (removed int) {
	t.Helper()
	require.Eventually(t, func() bool {
		more, err := s.sweep(t)
		removed += more
		return err == nil && s.pictures() == left
	}, time.Minute, 10*time.Millisecond)
	return removed
}

// sweep removes the frames that no job needs, a day later.
func (s *batchStack) sweep(t *testing.T) (removed int, err error) {
	t.Helper()
	c := config.Config{Store: "file://" + s.dir + "/store"}
	c.Gateway.KeepUploads = 24 * time.Hour
	temporal, server, err := lazy(c, func(name string) string { return map[string]string{"TEMPORAL_ADDRESS": s.temporal.Address()}[name] })
	if err != nil {
		return 0, err
	}
	defer temporal.Close()
	work, _ := openJobs(c, temporal, server, slog.New(slog.DiscardHandler))
	a := openGuide(c, nil, work)
	a.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	return a.Sweep(t.Context())
}

// budget: a batch that reaches its limit says so, and waits as a job.
func (s *batchStack) budget(t *testing.T) {
	before, main := s.model.calls.Load(), s.url(t, "main")
	got := send(t, http.MethodPost, main+batchPath, strings.Replace(zipped(t, frames(t, 300, 1)), "{", `{"max_cost":0.000001,`, 1))
	require.Equal(t, 429, got.status, got.body)
	require.Equal(t, "insufficient_quota", code(t, got.body))
	job := main + got.header.Get("Location")
	require.Equal(t, "budget", object(t, send(t, http.MethodGet, job, "").body)["stage"])
	require.Equal(t, before, s.model.calls.Load())
	require.Equal(t, 202, send(t, http.MethodPost, job+"/tune", `{"budget_usd":1}`).status)
	require.Equal(t, 200, send(t, http.MethodGet, job+"/result?wait=60s", "").status)
	require.Equal(t, before+1, s.model.calls.Load())
}

// killGateway: the job of a gateway that is killed goes on, and the same call at another gateway
// attaches to it. The model server sees each frame once.
func (s *batchStack) killGateway(t *testing.T) {
	const count = 6
	release, before, body := s.model.hold(t), s.model.calls.Load(), zipped(t, frames(t, 400, count))
	other := s.process(t, "gateway", os.Args[0], roleOf+"=gateway")
	other.start()
	require.Eventually(t, func() bool { return other.ready() > 0 }, time.Minute, 10*time.Millisecond)
	log, err := os.ReadFile(other.log)
	require.NoError(t, err)
	found := regexp.MustCompile(`"listener":"main","address":"([^"]+)"`).FindSubmatch(log)
	require.NotNil(t, found, string(log))
	cut := sends(t, "http://"+string(found[1])+batchPath, body)
	s.model.await(t, batchInFlight)
	other.end(syscall.SIGKILL)
	require.Error(t, (<-cut).err)
	again := sends(t, s.url(t, "main")+batchPath, body)
	release()
	got := <-again
	require.Equal(t, 200, got.status, got.body)
	require.Len(t, object(t, got.body)["descriptions"], count)
	require.EqualValues(t, count, s.model.calls.Load()-before)
}

// killWorker: the caller waits while another worker goes on. Only the calls that were in flight are
// made again.
func (s *batchStack) killWorker(t *testing.T) {
	const count = 6
	release, before := s.model.hold(t), s.model.calls.Load()
	waits := sends(t, s.url(t, "main")+batchPath, zipped(t, frames(t, 500, count)))
	s.model.await(t, batchInFlight)
	s.worker.kill()
	release()
	got := <-waits
	require.Equal(t, 200, got.status, got.body)
	require.Len(t, object(t, got.body)["descriptions"], count)
	require.EqualValues(t, count+batchInFlight, s.model.calls.Load()-before)
}
