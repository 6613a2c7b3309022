package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/video"
)

// readAtOnce bounds the list of rows of one statement.
const readAtOnce = 4096

// exact scores documents by their stored vectors. Documents with equal vectors, such as the
// frames of a black picture, are read once.
func (v *view) exact(ctx context.Context, tx *sql.Tx, query *vectors, list []scored) error {
	wanted := map[uint64][]int{} // positions in list by vector
	of := map[int64]uint64{}
	var rows []int64
	for i, s := range list {
		hash := v.hash(s.at)
		if wanted[hash] == nil {
			row := v.row(s.at)
			rows, of[row] = append(rows, row), hash
		}
		wanted[hash] = append(wanted[hash], i)
	}
	for len(rows) > 0 {
		n := min(readAtOnce, len(rows))
		err := readVectors(ctx, tx, rows[:n], func(row int64, one *vectors) {
			score := one.similarity(query, 0)
			for _, i := range wanted[of[row]] {
				list[i].score = score
			}
		})
		if err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// hash is equal for equal vectors.
func (v *view) hash(at int32) uint64 {
	return v.segments[v.owner[at]].hashes[at-v.first[v.owner[at]]]
}

// readVectors calls each with the stored vector of every row, which is valid during the call.
func readVectors(ctx context.Context, tx *sql.Tx, rows []int64, each func(row int64, one *vectors)) error {
	list, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	found, err := tx.QueryContext(ctx,
		"SELECT d.id, d.embedding FROM json_each(?) AS wanted JOIN document d ON d.id = wanted.value", string(list))
	if err != nil {
		return err
	}
	defer found.Close()
	n := 0
	for found.Next() {
		var row int64
		var stored sql.RawBytes
		if err := found.Scan(&row, &stored); err != nil {
			return err
		}
		var e video.Embedding
		if err := e.UnmarshalBinary(stored); err != nil {
			return fmt.Errorf("%w: document in row %d: %v", dbfile.ErrDamaged, row, err) //nolint:errorlint // its class does not apply here
		}
		one := pack(e)
		each(row, &one)
		n++
	}
	if err := found.Err(); err != nil {
		return err
	}
	if n != len(rows) {
		return fmt.Errorf("%w: %d documents that were found are missing", dbfile.ErrDamaged, len(rows)-n)
	}
	return nil
}
