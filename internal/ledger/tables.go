package ledger

import (
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/postgres"
)

// The tables, for package costs, which only reads them.

// FileKind is the schema of a ledger in a file.
func FileKind() dbfile.Kind { return kind() }

// SharedKind is the schema of a ledger in PostgreSQL.
func SharedKind() postgres.Kind { return sharedKind() }

// EndedInFile is the outcome of an entry in a file, as an expression of SQL.
const EndedInFile = ended
