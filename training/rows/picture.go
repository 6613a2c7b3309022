package rows

import (
	"fmt"
	"slices"
	"strings"
)

// Images returns the SHA-256 of the image that a row names, in lower-case hexadecimal. A
// *RowError refuses the row; any other error ends the reading of the dataset.
type Images func(uri string) (sha256 string, err error)

// Piece is a part of a message with images: a text or an image.
type Piece struct {
	Text  string
	Image string // SHA-256 of an image; empty = a text
}

// Reference is where a row names an image.
type Reference struct {
	URI   string
	value []byte // the JSON string, within the text of the row
}

// Span is where the name is in the text of its row, with its quotes.
func (r Reference) Span(row []byte) (from, to int) {
	from = cap(row) - cap(r.value) // both end where the text ends
	return from, from + len(r.value)
}

const (
	maxImages = 64        // of a row
	imageHere = "?"       // a piece that shows the next image of the row's list
	imageMark = "<image>" // the same in a text, as LLaVA and LLaMA-Factory write it
)

// shownFields hold the images of a conversation or a prompt.
func shownFields() []string { return []string{"images", "image"} }

// sideFields hold the image of a side of embedding.
func sideFields(key string) []string {
	return map[string][]string{
		KeyAnchor: {"anchor_image", "query_image"}, KeyPositive: {"positive_image", "image"}, KeyNegative: {"negative_image"},
	}[key]
}

// pictureFields are the further fields that a row with images may have.
func (in *RowInput) pictureFields(format Format) []string {
	if slices.Contains([]Format{FormatMessages, FormatShareGPT, FormatPrompt}, format) {
		return shownFields()
	}
	fields := slices.Concat(sideFields(KeyAnchor), sideFields(KeyPositive), sideFields(KeyNegative))
	if (format == FormatTriplet || format == FormatPair) && in.hasAny(fields...) {
		return append(fields, "query")
	}
	return nil
}

func (in *RowInput) hasAny(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return in.get(key) != nil })
}

// hasSide reports whether a row has a text or an image for a side of embedding.
func (in *RowInput) hasSide(key string) bool {
	if in.hasAny(key) {
		return true
	}
	if !in.hasAny("anchor", "query", "anchor_image", "query_image") {
		return in.hasAny(sideFields(key)[0])
	}
	return in.hasAny(sideFields(key)...) || key == KeyAnchor && in.hasAny("query") && (in.hasAny(sideFields(KeyPositive)...) || in.hasAny(sideFields(KeyNegative)...))
}

// side reads a side of embedding: a text, or an image.
func (in *RowInput) side(key string) (name string, p Part, err error) {
	names := append([]string{key}, sideFields(key)...)
	if key == KeyAnchor && in.pictureFields(FormatPair) != nil {
		names = append(names, "query")
	}
	names = slices.DeleteFunc(names, func(name string) bool { return in.get(name) == nil })
	p = Part{Key: key}
	switch {
	case len(names) == 0:
		return key, p, in.missing(key)
	case len(names) > 1:
		return key, p, &RowError{Code: "image", Field: names[1], Reason: "the row has " + names[0] + " as well, which means the same", Fix: "keep one"}
	}
	name = names[0]
	if raw := in.get(name); raw[0] == '{' || slices.Contains(sideFields(key), name) {
		p.Image, err = in.image(name, raw)
		return name, p, err
	}
	p.Text, err = in.required(name)
	return name, p, err
}

// image reads an image: a text that names it, or an object as libraries write it.
func (in *RowInput) image(name string, raw []byte) (string, error) {
	if raw[0] == '{' {
		fields, err := objectFields(raw)
		if err != nil {
			return "", err
		}
		for _, key := range []string{"image", "url", "path", "uri"} {
			i := slices.IndexFunc(fields, func(f Field) bool { return f.key == key && !isNull(f.value) })
			if i >= 0 {
				return in.image(name+"."+key, fields[i].value)
			}
		}
		return "", wrongType(name, "an image: a path, a URL or a data URI", raw)
	}
	uri, ok := jsonText(raw)
	if !ok || strings.TrimSpace(uri) == "" {
		return "", wrongType(name, "an image: a path, a URL or a data URI", raw)
	}
	if in.Images == nil {
		return "", &RowError{Code: "unsupported", Field: name, Reason: "images are not read here", Fix: "remove the image, or the row"}
	}
	if len(in.References) == maxImages {
		return "", &RowError{Code: "too_many_images", Field: name, Reason: fmt.Sprintf("the row has more than %d images", maxImages), Fix: "split the row"}
	}
	in.References = append(in.References, Reference{uri, raw})
	sum, err := in.Images(uri)
	if f, ok := err.(*RowError); ok { //nolint:errorlint // Images returns it as it is
		about := *f
		about.Field = name
		return "", &about
	}
	return sum, err
}

// part reads a part of a message.
func (in *RowInput) part(name string, raw []byte) (p Piece, err error) {
	wrong := &RowError{Code: "unsupported", Field: name, Reason: "a part of the message is neither text nor image", Fix: "keep only parts of the types text, image and image_url"}
	if raw[0] != '{' {
		return p, wrong
	}
	fields, err := objectFields(raw)
	if err != nil {
		return p, err
	}
	of := RowInput{Fields: fields}
	kind, _ := jsonText(of.get("type"))
	switch {
	case in.textOnly && (kind == "image_url" || kind == "image"):
		return p, &RowError{Code: "unsupported", Field: name, Reason: "pairs and rated answers have no images", Fix: "train with sft, or remove the image"}
	case kind == "text" && of.get("text") == nil:
		return p, nil
	case kind == "text":
		p.Text, err = in.text(name, of.get("text"))
		return p, err
	case kind == "image_url", kind == "image":
		for _, key := range []string{"image_url", "image", "url", "path"} {
			if value := of.get(key); value != nil {
				p.Image, err = in.image(name, value)
				return p, err
			}
		}
		if kind == "image_url" {
			return p, &RowError{Code: "image", Field: name, Reason: "the part has no image_url", Fix: `write {"type": "image_url", "image_url": {"url": …}}`}
		}
		return Piece{Image: imageHere}, nil
	default:
		return p, wrong
	}
}

// marked splits a text at its marks of images, if the row has a list of images.
func (in *RowInput) marked(text string) (string, []Piece) {
	if !in.hasAny(shownFields()...) || !strings.Contains(text, imageMark) {
		return text, nil
	}
	var pieces []Piece
	for i, part := range strings.Split(text, imageMark) {
		if i > 0 {
			pieces = append(pieces, Piece{Image: imageHere})
		}
		if part = strings.Trim(part, "\n"); part != "" {
			pieces = append(pieces, Piece{Text: part})
		}
	}
	return joined(pieces), pieces
}

func joined(pieces []Piece) string {
	var all strings.Builder
	for _, p := range pieces {
		all.WriteString(p.Text)
	}
	return all.String()
}

// place puts the images of the row's list where its messages show them; before the first
// message of the user if they show none, as TRL does.
func (in *RowInput) place(field string, list []Message) error {
	shown, name, err := in.shown()
	if err != nil {
		return err
	}
	var places []*Piece
	inline := false
	for i, m := range list {
		for j, p := range m.Pieces {
			if p.Image != "" && m.Role != RoleUser {
				return &RowError{Code: "image", Field: fmt.Sprintf("%s[%d]", field, i), Reason: "the message of the " + m.Role + " has an image", Fix: "put images into messages of the user"}
			}
			if p.Image == imageHere {
				places = append(places, &m.Pieces[j])
			} else if p.Image != "" {
				inline = true
			}
		}
	}
	first := slices.IndexFunc(list, func(m Message) bool { return m.Role == RoleUser })
	if len(places) == 0 && !inline && len(shown) > 0 && first >= 0 {
		for _, sum := range shown {
			list[first].Pieces = append(list[first].Pieces, Piece{Image: sum})
		}
		list[first].Pieces = append(list[first].Pieces, Piece{Text: list[first].Content})
		return nil
	}
	if len(places) != len(shown) {
		return &RowError{
			Code: "image_count", Field: name, Reason: fmt.Sprintf("the row lists %d images, and its messages have places for %d", len(shown), len(places)),
			Fix: `write as many parts {"type": "image"} or marks <image> as the row lists images`,
		}
	}
	for i, p := range places {
		p.Image = shown[i]
	}
	return nil
}

// shown reads the list of images of a row.
func (in *RowInput) shown() (sums []string, name string, err error) {
	if in.get("images") != nil && in.get("image") != nil {
		return nil, "", &RowError{Code: "image", Field: "image", Reason: "the row has images as well", Fix: "keep one of the two"}
	}
	for _, name := range shownFields() {
		raw := in.get(name)
		if raw == nil {
			continue
		}
		items := [][]byte{raw}
		if raw[0] == '[' {
			items, _ = listItems(raw, maxImages+1)
		}
		for i, item := range items {
			sum, err := in.image(fmt.Sprintf("%s[%d]", name, i), item)
			if err != nil {
				return nil, name, err
			}
			sums = append(sums, sum)
		}
		return sums, name, nil
	}
	return nil, "images", nil
}

// ImagesOf lists the images of a row.
func (r Row) ImagesOf() (sums []string) {
	for _, p := range r.Parts {
		if p.Image != "" {
			sums = append(sums, p.Image)
		}
		for _, m := range p.Messages {
			for _, piece := range m.Pieces {
				if piece.Image != "" {
					sums = append(sums, piece.Image)
				}
			}
		}
	}
	return sums
}
