package embed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/color"
	"image/jpeg"
	"math"
	"sync"

	stdimage "image"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// canary embeds two clearly different pictures, and a query for each. A working model finds
// the right one; vectors without meaning find the same one for both.
func (p *Pooling) canary(ctx context.Context, s video.Stage) error {
	colours := []struct {
		query  string
		colour color.RGBA
	}{{"a plain red picture", color.RGBA{220, 20, 20, 255}}, {"a plain blue picture", color.RGBA{20, 20, 220, 255}}}
	var queries, pictures [2]video.Embedding
	blind := false
	for i, c := range colours {
		var found []video.Embedding
		err := money.Pay(ctx, c.query, func(ctx context.Context) (err error) {
			found, err = p.EmbedTexts(ctx, video.TextRequest{Stage: s, Query: true, Texts: []string{c.query}})
			return err
		})
		switch {
		case errors.Is(err, money.ErrGivenUp): // nothing was asked, so nothing is known
			return err
		case fault.ClassOf(err) == fault.Input:
			blind = true // a model for pictures only, without a text tower
		case err != nil:
			return err
		default:
			queries[i] = found[0]
		}
		err = money.Pay(ctx, c.query+", the picture", func(ctx context.Context) (err error) {
			pictures[i], err = p.embedPictures(ctx, video.PictureRequest{Stage: s, JPEGs: [][]byte{plain(c.colour)}})
			return err
		})
		if err != nil {
			return err
		}
	}
	if blind {
		if same, other := maxSim(pictures[0], pictures[0]), maxSim(pictures[0], pictures[1]); other > (1-unitSlack)*same {
			return fault.New(fault.Input, "check endpoint", s.Model, "a red and a blue picture are the same to it: its vectors mean nothing")
		}
		return nil
	}
	for i, q := range queries {
		// A row is nearest to itself, so a query's score with itself is its number of rows.
		if self := maxSim(q, q); math.Abs(self-float64(q.Rows)) > unitSlack*float64(q.Rows) {
			return fault.New(fault.Transport, "check endpoint", s.Model, fmt.Sprintf("a query of %d vectors scores %.2f with itself", q.Rows, self))
		}
		if right, wrong := maxSim(q, pictures[i]), maxSim(q, pictures[1-i]); right <= wrong {
			return fault.New(fault.Input, "check endpoint", s.Model, fmt.Sprintf(
				"for %q it finds the picture of the other colour (%.3f against %.3f): its vectors mean nothing; is a base model served without its adapter?",
				colours[i].query, wrong, right))
		}
	}
	return nil
}

func plain(c color.RGBA) []byte {
	const side = 224
	m := stdimage.NewRGBA(stdimage.Rect(0, 0, side, side))
	for i := range side * side {
		m.SetRGBA(i%side, i/side, c)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		panic("embed: a plain picture always encodes: " + err.Error())
	}
	return out.Bytes()
}

// maxSim is the sum over the query's rows of the best dot product.
func maxSim(query, doc video.Embedding) (sum float64) {
	for q := range query.Rows {
		best := math.Inf(-1)
		for d := range doc.Rows {
			dot := 0.0
			for i := range query.Dim {
				dot += float64(query.Floats[q*query.Dim+i]) * float64(doc.Floats[d*doc.Dim+i])
			}
			best = max(best, dot)
		}
		sum += best
	}
	return sum
}

// canaries remembers which models have been verified.
type canaries struct {
	off bool
	mu  sync.Mutex
	ok  map[string]bool
}

// verify runs the check of a model that was not verified yet, once at a time.
func (c *canaries) verify(ctx context.Context, s video.Stage, ask func(context.Context) error) error {
	if c.off {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprint(s.Model, s.Revision, s.Dim, s.Multi)
	if c.ok[key] {
		return nil
	}
	if err := ask(ctx); err != nil {
		return err
	}
	if c.ok == nil {
		c.ok = map[string]bool{}
	}
	c.ok[key] = true
	return nil
}
