// Package imagefile reads the image files that inputs and rows name, under the rules for all files
// that inputs name. It knows neither prompts nor training.
package imagefile

import (
	"context"
	"fmt"
	"io"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/tenant"
)

// Read returns the content of an image file, which may be remote, and the name of the file. It
// does not check that the content is an image.
func Read(ctx context.Context, documents activities.Documents, t tenant.ID, uri string) (data []byte, name string, err error) {
	file, name, err := documents.Open(ctx, t, uri)
	if err != nil {
		return nil, "", activities.OfDataset(err)
	}
	defer file.Close()
	data, err = Limited(file, name)
	return data, name, err
}

// Limited reads an image to its end, within the limit of bytes.
func Limited(from io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, image.MaxBytes+1))
	if err != nil {
		return nil, fault.Disk("read image", name, err)
	}
	if len(data) > image.MaxBytes {
		return nil, fault.New(fault.Input, "read image", name, fmt.Sprintf("it has over %d MiB; make it smaller", image.MaxBytes>>20))
	}
	return data, nil
}
