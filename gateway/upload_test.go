package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob/s3test"
	"github.com/cogniverse/cogflow/internal/gateway/uploads"
	"github.com/cogniverse/cogflow/internal/porttest"
)

// numbered is a file of any size whose blocks all differ.
type numbered struct {
	block [64 << 10]byte
	at    int64
	size  int64
}

func (n *numbered) Read(p []byte) (int, error) {
	if n.at >= n.size {
		return 0, io.EOF
	}
	within := n.at % int64(len(n.block))
	if within == 0 {
		binary.BigEndian.PutUint64(n.block[:], uint64(n.at)) //nolint:gosec // not negative
	}
	copied := copy(p[:min(int64(len(p)), n.size-n.at)], n.block[within:])
	n.at += int64(copied)
	return copied, nil
}

// footprint is what a process needs at most.
type footprint struct {
	memory, spool int64 // bytes
}

// watch looks at a process until stop is closed: at temporary files, which have no name, and in the end
// at its memory.
func watch(t *testing.T, pid int, stop <-chan struct{}) (most footprint) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			var spool int64
			all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // they come and go
			for _, fd := range all {
				var s syscall.Stat_t
				if syscall.Stat(fd, &s) == nil && s.Mode&syscall.S_IFMT == syscall.S_IFREG && s.Nlink == 0 {
					spool += s.Size
				}
			}
			most.spool = max(most.spool, spool)
		case <-stop:
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil {
				t.Error(err)
				return most
			}
			if found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); found != nil {
				kb, _ := strconv.ParseInt(string(found[1]), 10, 64) // digits
				most.memory = kb << 10
			}
			return most
		}
	}
}

// TestSoakUpload uploads a file in four pieces. The gateway needs little memory, and little space for
// temporary files, whatever the size of the file: 4 GiB with COGFLOW_SOAK=1.
func TestSoakUpload(t *testing.T) {
	t.Parallel()
	size, most := int64(40<<20), int64(1<<30) // of memory, with the race detector
	if os.Getenv("COGFLOW_SOAK") != "" {
		size, most = 4<<30, 256<<20
	}
	sum := sha256.New()
	_, err := io.Copy(sum, &numbered{size: size})
	require.NoError(t, err)
	sha := hex.EncodeToString(sum.Sum(nil))
	for _, kind := range []string{"folder", "S3"} { // one after the other, because both use the disk
		dir := t.TempDir()
		store, env := "file://"+dir+"/store", []string{}
		if kind == "S3" {
			store, env = s3test.Start(t)
		}
		address := "127.0.0.1:" + porttest.Free(t)
		file := filepath.Join(dir, "config.json")
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"cogflow":{"ledger":"%s/ledger.db","store":%q,"telemetry":"off","gateway":{"address":%q}}}`, dir, store, address), 0o600))
		v := &victim{t: t, name: kind, program: os.Args[0], env: append(env, roleOf+"=gateway", "COGNIVERSE_CONFIG="+file, "TMPDIR="+dir), log: filepath.Join(dir, "log")}
		v.start()
		t.Cleanup(func() { v.end(syscall.SIGTERM) })
		require.Eventually(t, func() bool { return v.ready() > 0 }, time.Minute, 10*time.Millisecond)
		stop := make(chan struct{})
		var used footprint
		var watching sync.WaitGroup
		watching.Go(func() { used = watch(t, v.cmd.Process.Pid, stop) })

		var u uploads.Upload
		ask := func(method, path string, body io.Reader, header ...string) {
			r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, body)
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			got, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer got.Body.Close()
			data, err := io.ReadAll(got.Body)
			require.NoError(t, err)
			require.Equal(t, 2, got.StatusCode/100, "%s", data)
			require.NoError(t, json.Unmarshal(data, &u))
		}
		began := time.Now()
		ask(http.MethodPost, "/uploads", bytes.NewReader(fmt.Appendf(nil, `{"name":"large.bin","size":%d,"sha256":%q}`, size, sha)))
		content, path := &numbered{size: size}, "/uploads/"+u.ID
		for range 3 {
			ask(http.MethodPatch, path, io.LimitReader(content, size/4), "Upload-Offset", strconv.FormatInt(u.Offset, 10), "Content-Type", "application/offset+octet-stream")
		}
		stored := time.Since(began)
		ask(http.MethodPatch, path, content, "Upload-Offset", strconv.FormatInt(u.Offset, 10), "Content-Type", "application/offset+octet-stream")
		took := time.Since(began)
		close(stop)
		watching.Wait()
		require.True(t, u.Complete)
		t.Logf("%s: %d MiB: three of four pieces in %.1f s, all in %.1f s; memory at most %d MiB, temporary files at most %d MiB",
			kind, size>>20, stored.Seconds(), took.Seconds(), used.memory>>20, used.spool>>20)
		require.Less(t, used.memory, most)
		require.LessOrEqual(t, used.spool, int64(32<<20))
		v.end(syscall.SIGTERM)
		require.NoError(t, os.RemoveAll(dir))
	}
}
