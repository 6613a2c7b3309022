package vlm

import (
	"archive/zip"
	"bytes"
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
)

// gather is how long a frame waits for others to share a call with.
const gather = 50 * time.Millisecond

// waiting is one frame on its way into a batch.
type waiting struct {
	ctx  context.Context //nolint:containedctx // lives as long as one call
	jpeg []byte
	text string
	err  error
	done chan struct{}
}

// enqueue puts a frame into the next batch and waits for its text.
func (d *Cogniverse) enqueue(ctx context.Context, jpeg []byte) (string, error) {
	w := &waiting{ctx: ctx, jpeg: jpeg, done: make(chan struct{})}
	d.mu.Lock()
	d.waiting = append(d.waiting, w)
	switch {
	case len(d.waiting) >= d.options.Batch:
		d.send()
	case len(d.waiting) == 1:
		if d.timer != nil { // of a frame that was taken back
			d.timer.Stop()
		}
		d.timer = time.AfterFunc(gather, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.send()
		})
	}
	d.mu.Unlock()
	select {
	case <-w.done:
		return w.text, w.err
	case <-ctx.Done():
		return "", d.abandon(ctx, w)
	}
}

// abandon takes a frame back that nobody waits for any more. One that is on its
// way already will be described, and paid, with the others.
func (d *Cogniverse) abandon(ctx context.Context, w *waiting) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := slices.Index(d.waiting, w); at >= 0 {
		d.waiting = slices.Delete(d.waiting, at, at+1)
		return money.NeverSent(ctx.Err())
	}
	return money.ChargeUnknown(ctx.Err())
}

// send makes a call of what waits; d.mu is held.
func (d *Cogniverse) send() {
	batch := d.waiting
	d.waiting = nil
	d.timer.Stop()
	if len(batch) == 0 {
		return
	}
	var texts map[string]string
	panics.Go(func() (err error) {
		// The frames of others are in it: the call ends when nobody waits.
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
		texts, err = answer.Measure(d.limit, func() (map[string]string, error) { return d.many(ctx, batch) })
		return err
	}, func(err error) {
		for i, w := range batch {
			w.text, w.err = texts[frameKey(i)], err
			if err == nil && w.text == "" {
				w.err = money.ChargeUnknown(fault.New(fault.Transport, op, "", "the answer leaves this frame of the batch out"))
			}
			close(w.done)
		}
	})
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

// many describes a batch. An answer with frames that were not sent is nobody's
// to trust; one that lacks some keeps the others.
func (d *Cogniverse) many(ctx context.Context, batch []*waiting) (map[string]string, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	mapping := map[string]string{}
	for i, frame := range batch {
		name := frameKey(i) + ".jpg" // flat: only top-level *.jpg and *.png are looked at
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
		if json.Unmarshal(said, &text) == nil { // what is no text is the failure of its frame alone
			texts[key] = text
		}
	}
	return d.redacted(texts), nil
}

// redacted takes keys out, also such as are spread over the texts.
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
