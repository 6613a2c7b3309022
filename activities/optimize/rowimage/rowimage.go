// Package rowimage reads the image files that rows name by {"uri": …}, under the rules for all
// files that inputs name. It knows no models and no optimization.
package rowimage

import (
	"context"
	"fmt"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/imagefile"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/tenant"
)

// maxBytes bounds the image data of one optimization.
const maxBytes = 256 << 20

// Reader reads the images of one optimization.
type Reader struct {
	Documents activities.Documents
	Tenant    tenant.ID
	Inputs    []prompt.Field        // of the program
	Skip      func(uri string) bool // a file that another reader reads; nil = none

	read, files int // bytes and files so far
}

// Files is the number of files that were read.
func (r *Reader) Files() int { return r.files }

// Read replaces, in the rows of a data set, each file by its data. Errors name the row.
func (r *Reader) Read(ctx context.Context, set string, rows []*prompt.Object) error {
	for i, row := range rows {
		if err := r.Row(ctx, set, i+1, row); err != nil {
			return err
		}
	}
	return nil
}

// Row is Read for one row, which errors call by its number.
func (r *Reader) Row(ctx context.Context, set string, number int, row *prompt.Object) error {
	for i := range r.Inputs {
		f := &r.Inputs[i]
		v, ok := row.Get(f.Name)
		if !ok || !f.HoldsImages() {
			continue
		}
		made, err := f.ReplaceImages(v, func(v any) (any, error) { return r.data(ctx, v) })
		if err != nil {
			return &fault.Error{
				Class: fault.ClassOf(err), Op: "read " + set, Subject: fmt.Sprintf("example %d, field %s", number, f.Name), Err: err,
			}
		}
		row.Set(f.Name, made)
	}
	return nil
}

// data returns the content of the file that a value names, or the value itself.
func (r *Reader) data(ctx context.Context, v any) (any, error) {
	reference, ok := v.(*python.Object)
	if !ok || reference.Len() != 1 {
		return v, nil
	}
	value, _ := reference.Get("uri")
	uri, ok := value.(string)
	if !ok || r.Skip != nil && r.Skip(uri) {
		return v, nil
	}
	data, name, err := imagefile.Read(ctx, r.Documents, r.Tenant, uri)
	if err != nil {
		return nil, err
	}
	if r.read, r.files = r.read+len(data), r.files+1; r.read > maxBytes {
		return nil, fault.New(fault.Input, "read image", name, fmt.Sprintf(
			"the images of all rows have over %d MiB; make them smaller, or use fewer rows", maxBytes>>20))
	}
	made, err := image.FromBytes(data)
	if err != nil {
		return nil, fault.Wrap(fault.Input, "read image", name, err)
	}
	return python.NewObject("url", made.URL()), nil
}
