package blob

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// State is the state of a checked object.
type State string

// The states.
const (
	Whole      State = "whole"      // it has its checksum; with Full its content matches
	Repaired   State = "repaired"   // it had lost its checksum, which was restored
	Repairable State = "repairable" // it has lost its checksum, and its content is proven to be whole
	Unproven   State = "unproven"   // it has lost its checksum, and its content cannot be proven
	Damaged    State = "damaged"    // its content is not what was stored
)

// CheckOptions say what Check does.
type CheckOptions struct {
	Prefix string // of keys: a tenant, or less; empty = all
	Full   bool   // read every object, not only those without checksums
	Repair bool   // restore checksums
	Trust  bool   // accept unproven content
}

// Finding is an object that is damaged, or was.
type Finding struct {
	Key   string `json:"key"`
	State State  `json:"state"`
	Proof string `json:"proof,omitempty"` // evidence that it is whole: manifest, name, trust
	Cause string `json:"cause"`
	Fix   string `json:"fix,omitempty"`
}

// Check checks the objects of a store. found is called for each that is damaged, or was;
// each object is counted once.
func Check(ctx context.Context, s Sealer, o CheckOptions, found func(Finding) error) (counts map[State]int, err error) {
	c := checker{store: s, options: o}
	counts = map[State]int{}
	err = s.List(ctx, o.Prefix, func(i object.Info) error {
		f, err := c.look(ctx, i)
		if errors.Is(err, object.ErrNotFound) || errors.Is(err, object.ErrChanged) {
			return nil // deleted or written again meanwhile
		}
		if err != nil {
			return err
		}
		counts[f.State]++
		if f.State == Whole {
			return nil
		}
		return found(f)
	})
	return counts, err
}

type checker struct {
	store   Sealer
	options CheckOptions
	dir     string            // folder of the evidence in sums
	sums    map[string]string // SHA-256 by key, from manifests
}

const (
	lostCause = "its checksum is missing, as after a copy without extended attributes (file store) or metadata (S3)"
	copyFix   = "restore it with its attributes (cp -a, rsync -aX, tar --xattrs), or take it as it is with --repair --trust"
	makeFix   = "restore it from a backup, or delete it: cogflow makes it again when it is needed"
)

// look checks one object. A damaged object has no SHA-256 in a listing.
func (c *checker) look(ctx context.Context, i object.Info) (Finding, error) {
	if i.SHA256 != "" {
		if !c.options.Full {
			return Finding{Key: i.Key, State: Whole}, nil
		}
		sum, _, err := c.read(ctx, i.Key)
		if err == nil && sum != i.SHA256 {
			return Finding{Key: i.Key, State: Damaged, Cause: "its content does not have its checksum", Fix: makeFix}, nil
		}
		return Finding{Key: i.Key, State: Whole}, err
	}
	if sized, ok := c.store.(*File); ok {
		torn, err := sized.torn(ctx, i.Key)
		if torn || err != nil {
			return Finding{Key: i.Key, State: Damaged, Cause: "its size differs from the stored one: it is truncated, as after a loss of power", Fix: makeFix}, err
		}
	}
	sum, form, err := c.read(ctx, i.Key)
	if err != nil {
		return Finding{}, err
	}
	proof, damage, err := c.prove(ctx, i.Key, sum, form)
	switch {
	case err != nil:
		return Finding{}, err
	case damage != "":
		return Finding{Key: i.Key, State: Damaged, Cause: damage, Fix: makeFix}, nil
	case proof == "" && !c.options.Trust:
		cause := lostCause + "; no manifest names it"
		if form == formed {
			cause += "; it is not truncated, but nothing proves that it is unchanged"
		}
		return Finding{Key: i.Key, State: Unproven, Cause: cause, Fix: copyFix}, nil
	case proof == "":
		proof = "trust"
	}
	f := Finding{Key: i.Key, State: Repairable, Proof: proof, Cause: lostCause, Fix: "cogflow store check --repair"}
	if c.options.Repair {
		f.State, f.Fix = Repaired, ""
		return f, c.store.Seal(ctx, i.Key, sum)
	}
	return f, nil
}

// torn reports whether an object's checksum contradicts its size.
func (s *File) torn(ctx context.Context, key string) (bool, error) {
	f, err := s.raw(ctx, "look at object", key, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = loadChecksum(f)
	if errors.Is(err, object.ErrCorrupt) {
		return false, nil
	}
	return err == nil, s.fail("look at object", key, err)
}

// form is what an object's own format tells about it.
type form int

const (
	formless form = iota // nothing
	formed               // it is not truncated, but may have changed
	deformed             // it is damaged
)

// prove finds evidence that the content of a key is whole: a manifest that names it, or its
// name. Its own format can only show damage: a changed letter keeps it valid.
func (c *checker) prove(ctx context.Context, key, sum string, shape form) (proof, damage string, err error) {
	if stem, ok := strings.CutSuffix(path.Base(key), ".jsonl"); ok && path.Base(path.Dir(key)) == "datasets" && sums.MatchString(stem) {
		if stem != sum {
			return "", "its content does not have the SHA-256 that is its name", nil
		}
		return "name", "", nil
	}
	want, err := c.manifested(ctx, key)
	switch {
	case err != nil:
		return "", "", err
	case want != "" && want != sum:
		return "", "its content does not have the SHA-256 that its manifest says", nil
	case want != "":
		return "manifest", "", nil
	case shape == deformed:
		return "", "it is truncated or damaged: its format is invalid", nil
	}
	return "", "", nil
}

var sums = regexp.MustCompile(`^[0-9a-f]{64}$`)

const maxForm = 256 << 20 // maximum bytes of an object that is checked in memory

// read hashes an object and examines its format.
func (c *checker) read(ctx context.Context, key string) (sum string, shape form, err error) {
	r, err := c.store.Raw(ctx, key)
	if err != nil {
		return "", formless, err
	}
	defer r.Close()
	h := sha256.New()
	var kept bytes.Buffer
	if _, err = io.Copy(io.MultiWriter(h, &limited{&kept}), canceling{ctx, r}); err != nil {
		return "", formless, fmt.Errorf("read object %q: %w", key, err)
	}
	sum = hex.EncodeToString(h.Sum(nil))
	if kept.Len() > maxForm {
		return sum, formless, nil
	}
	return sum, formOf(key, kept.Bytes()), nil
}

// limited keeps one byte more than is checked.
type limited struct{ kept *bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.kept.Write(p[:min(len(p), maxForm+1-l.kept.Len())])
	return len(p), nil
}

func formOf(key string, data []byte) form {
	valid := func(ok bool) form {
		if ok {
			return formed
		}
		return deformed
	}
	switch path.Ext(key) {
	case ".json":
		return valid(json.Valid(data))
	case ".jsonl":
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, maxForm)
		for lines.Scan() {
			if len(bytes.TrimSpace(lines.Bytes())) > 0 && !json.Valid(lines.Bytes()) {
				return deformed
			}
		}
		if lines.Err() != nil || !bytes.HasSuffix(data, []byte("\n")) {
			return deformed
		}
		return formless // lines may be missing at its end
	case ".jpg":
		_, err := jpeg.Decode(bytes.NewReader(data))
		return valid(err == nil && bytes.HasSuffix(data, []byte{0xff, 0xd9}))
	case ".html":
		return valid(bytes.HasSuffix(bytes.TrimSpace(data), []byte("</html>")))
	case ".bin":
		var e video.Embedding
		if path.Base(path.Dir(key)) == "embeddings" {
			return valid(e.UnmarshalBinary(data) == nil)
		}
	}
	return formless
}

// manifested returns the SHA-256 of key in the manifest of a parent folder; empty = none.
// Manifests may have lost their own checksums.
func (c *checker) manifested(ctx context.Context, key string) (string, error) {
	if dir := path.Dir(key); dir != c.dir {
		known := map[string]string{}
		for above := dir; above != "." && strings.Contains(above, "/"); above = path.Dir(above) {
			if err := c.files(ctx, above+"/", known); err != nil {
				return "", err
			}
		}
		if err := c.frames(ctx, dir+"/", known); err != nil {
			return "", err
		}
		c.dir, c.sums = dir, known
	}
	return c.sums[key], nil
}

// files reads the manifest of a checkpoint or an adapter.
func (c *checker) files(ctx context.Context, prefix string, to map[string]string) error {
	var m struct {
		Token string                    `json:"token"` // of a checkpoint: the directory of its files
		Files []training.CheckpointFile `json:"files"`
	}
	if err := c.decode(ctx, prefix+training.ManifestName, &m); err != nil {
		return err
	}
	for _, f := range m.Files {
		to[path.Join(prefix, m.Token, f.Name)] = f.SHA256
		to[prefix+f.Name] = f.SHA256
	}
	return nil
}

// frames reads the list of pictures of an extraction.
func (c *checker) frames(ctx context.Context, prefix string, to map[string]string) error {
	return c.store.List(ctx, prefix+"chunk-", func(i object.Info) error {
		var chunk video.Chunk
		if err := c.decode(ctx, i.Key, &chunk); err != nil {
			return err
		}
		for _, f := range chunk.Frames {
			for _, still := range append(f.Pictures(video.OfFrame), f.Stills...) {
				to[video.PictureKey(prefix, still.PTSMS)] = still.SHA256
			}
		}
		return nil
	})
}

// decode reads a JSON object if it exists and can be read.
func (c *checker) decode(ctx context.Context, key string, v any) error {
	r, err := c.store.Raw(ctx, key)
	if errors.Is(err, object.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(canceling{ctx, r}, maxForm))
	if err != nil {
		return err
	}
	_ = json.Unmarshal(data, v) // a damaged one is reported by its own check
	return nil
}
