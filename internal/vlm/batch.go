package vlm

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
)

// gather is the default time that a frame waits for others in the same call.
const gather = 50 * time.Millisecond

// waiting is one frame that waits for its batch.
type waiting struct {
	ctx    context.Context //nolint:containedctx // has the lifetime of one call
	jpeg   []byte
	flying bool // it is in a request
	gone   bool // its caller has cancelled
	text   string
	err    error
	done   chan struct{}
}

// queue holds the frames of one tenant until their batch is full. A request has frames of
// one tenant only, so that a frame cannot make another tenant's request fail.
type queue struct {
	frames []*waiting
	timer  *time.Timer
}

// enqueue adds a frame to its tenant's next batch and waits for its text.
func (d *Cogniverse) enqueue(ctx context.Context, owner tenant.ID, jpeg []byte) (string, error) {
	w := &waiting{ctx: ctx, jpeg: jpeg, done: make(chan struct{})}
	d.mu.Lock()
	q := d.queues[owner]
	if q == nil {
		q = &queue{}
		q.timer = time.AfterFunc(cmp.Or(d.options.Gather, gather), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.close(owner, q)
		})
		d.queues[owner] = q
	}
	if q.frames = append(q.frames, w); len(q.frames) >= d.options.Batch {
		d.close(owner, q)
	}
	d.mu.Unlock()
	select {
	case <-w.done:
		return w.text, w.err
	case <-ctx.Done():
		return "", d.abandon(ctx, w)
	}
}

// abandon removes a frame whose caller has cancelled. A frame that was sent already is
// described, and paid, with the others.
func (d *Cogniverse) abandon(ctx context.Context, w *waiting) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.gone = true
	if w.flying {
		return money.ChargeUnknown(ctx.Err())
	}
	return money.NeverSent(ctx.Err())
}

// close completes a batch; d.mu is held.
func (d *Cogniverse) close(owner tenant.ID, q *queue) {
	if d.queues[owner] != q {
		return // the timer of a batch that was full before
	}
	q.timer.Stop()
	delete(d.queues, owner)
	d.ready = append(d.ready, q.frames)
	d.launch()
}

// launch starts requests for ready batches, up to the concurrency of the endpoint: with
// several tenants, there may be more batches than that. d.mu is held.
func (d *Cogniverse) launch() {
	for len(d.ready) > 0 && d.flying < max(d.limit.Limit(), 1) {
		batch := d.ready[0]
		d.ready = d.ready[1:]
		d.flying++
		panics.Go(func() error { d.describe(batch); return nil }, func(error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.flying--
			d.launch()
		})
	}
}

// describe requests the texts of a batch. A batch that is refused, and not billed, is split
// until the refused frame is found; the others are described.
func (d *Cogniverse) describe(batch []*waiting) {
	if batch = d.take(batch); len(batch) == 0 {
		return
	}
	var texts map[string]string
	err := panics.Try(func() (err error) {
		texts, err = d.request(batch)
		return err
	})
	if len(batch) > 1 && fault.ClassOf(err) == fault.Input && !money.IsCharged(err) {
		d.land(batch)
		half := len(batch) / 2
		d.describe(batch[:half])
		d.describe(batch[half:])
		return
	}
	for i, w := range batch {
		w.text, w.err = texts[frameKey(i)], err
		if err == nil && w.text == "" {
			w.err = money.ChargeUnknown(unusable(fault.Transport, outcome.Empty, "", "the answer leaves this frame of the batch out", ""))
		}
		close(w.done)
	}
}

// take starts a request: it drops the frames whose callers have cancelled.
func (d *Cogniverse) take(batch []*waiting) (out []*waiting) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range batch {
		if w.flying = !w.gone; w.flying {
			out = append(out, w)
		}
	}
	return out
}

// land ends a request that described none of its frames.
func (d *Cogniverse) land(batch []*waiting) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range batch {
		w.flying = false
	}
}

// request makes one request. It is cancelled when the callers of all its frames have cancelled.
func (d *Cogniverse) request(batch []*waiting) (map[string]string, error) {
	ctx, cancel := context.WithCancel(money.WithEntry(context.WithoutCancel(batch[0].ctx), entries(batch)))
	defer cancel()
	panics.Go(func() error {
		for _, w := range batch {
			select {
			case <-w.ctx.Done():
			case <-ctx.Done():
				return nil
			}
		}
		return nil
	}, func(error) { cancel() })
	return answer.Measure(d.limit, func() (map[string]string, error) { return d.many(ctx, batch) })
}

// entries joins the keys of the ledger entries of a batch.
func entries(batch []*waiting) string {
	var all []string
	for _, w := range batch {
		if entry := money.EntryOf(w.ctx); entry != "" {
			all = append(all, entry)
		}
	}
	return strings.Join(all, ",")
}

func frameKey(i int) string { return fmt.Sprintf("frame-%04d", i) }

// many describes a batch. A response with frames that were not sent is refused completely;
// if it lacks some frames, the others are kept.
func (d *Cogniverse) many(ctx context.Context, batch []*waiting) (map[string]string, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	mapping := map[string]string{}
	for i, frame := range batch {
		name := frameKey(i) + ".jpg" // flat: the service reads only top-level *.jpg and *.png
		file, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			return nil, money.NeverSent(err)
		}
		if _, err := file.Write(frame.jpeg); err != nil {
			return nil, money.NeverSent(err)
		}
		mapping[name] = frameKey(i)
	}
	if err := w.Close(); err != nil {
		return nil, money.NeverSent(err)
	}
	var out struct {
		Descriptions map[string]json.RawMessage `json:"descriptions"`
	}
	err := d.client.Post(ctx, d.batch, map[string]any{
		"zip_data": base64.StdEncoding.EncodeToString(archive.Bytes()), "frame_mapping": mapping,
	}, &out)
	if err != nil {
		return nil, err
	}
	for key := range out.Descriptions {
		if _, sent := mapping[key+".jpg"]; !sent {
			return nil, money.ChargeUnknown(fault.New(fault.Transport, op, "", fmt.Sprintf("the answer describes %q, which was not sent", d.client.Redactor().Reply(key, 100))))
		}
	}
	texts := map[string]string{}
	for key, said := range out.Descriptions {
		var text string
		if json.Unmarshal(said, &text) == nil { // a value that is not a text fails only its own frame
			texts[key] = text
		}
	}
	return d.redacted(texts), nil
}

// redacted removes keys, also those that are split across the texts.
func (d *Cogniverse) redacted(texts map[string]string) map[string]string {
	keys := slices.Sorted(maps.Keys(texts))
	var all []string
	for _, key := range keys {
		all = append(all, texts[key])
	}
	out := map[string]string{}
	for i, text := range d.client.Redactor().Parts(all) {
		out[keys[i]] = text
	}
	return out
}
