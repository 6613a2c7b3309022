package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cogniverse/cogflow/fault"
)

// Fault classifies an error of the driver and names the database. Classified errors and
// cancellations are returned unchanged; nil stays nil. The driver's error is replaced by
// its text: it holds the configuration of the connection, and with it the password.
func (db *DB) Fault(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || fault.ClassOf(err) != "" {
		return err
	}
	f := &fault.Error{Op: op, Subject: db.name, Class: fault.Transport}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		f.Class, f.Reason, f.RetryAfter = classify(e.Code)
		f.Err = errors.New(e.Message + " (SQLSTATE " + e.Code + ")")
		if connecting && f.Class == "" {
			f.Class, f.Reason = fault.Input, "it refuses the connection; correct the options in the URL"
		}
	} else {
		f.Err = errors.New(db.cause(err))
		switch {
		case untrusted:
			f.Class, f.Reason = fault.Auth, "its certificate is not trusted; set sslrootcert in the URL"
		case errors.Is(err, context.DeadlineExceeded):
			f.Reason, f.Err = "it did not answer in time", nil
		case !connecting:
			f.Reason = "the connection was lost"
		}
	}
	if connecting && f.Class == fault.Transport {
		// An outage is waited out, however long it is; a lost connection is one failed attempt.
		f.Class, f.Reason, f.RetryAfter = fault.Overload, "it cannot be reached; see that PostgreSQL runs there", time.Second
	}
	return f
}

// cause is the text of the innermost error, without the address of the server: users of
// tenants read what their jobs wait for.
func (db *DB) cause(err error) string {
	for {
		if e, ok := err.(*net.DNSError); ok { //nolint:errorlint // this one, not what it wraps
			return e.Err
		}
		var inner error
		switch e := err.(type) { //nolint:errorlint // likewise
		case interface{ Unwrap() error }:
			inner = e.Unwrap()
		case interface{ Unwrap() []error }:
			if all := e.Unwrap(); len(all) > 0 {
				inner = all[0]
			}
		}
		if inner == nil {
			return db.hidden.Replace(err.Error())
		}
		err = inner
	}
}

// Lost reports whether an error says that an open connection is of no use any more.
func Lost(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		class, _, _ := classify(e.Code)
		return class == fault.Transport
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return err != nil && !connecting && !errors.Is(err, pgx.ErrNoRows)
}

// classify is for the error codes of PostgreSQL.
func classify(code string) (class fault.Class, reason string, after time.Duration) {
	switch code {
	case "25006": // of a standby
		return fault.Transport, "it is read-only at the moment, as during a failover", 0
	case "25P03": // idle in a transaction: this host was slow or cut off
		return fault.Transport, "the connection was lost", 0
	case "40001", "40P01":
		return fault.Transport, "transactions were in conflict", 0
	case "42501":
		return fault.Auth, "the user lacks a privilege; see docs/how-to/shared-ledger.md", 0
	case "53100":
		return fault.Capacity, "its disk is full; free some space", 0
	case "53200":
		return fault.Capacity, "it is out of memory", 0
	case "53300":
		return fault.Overload, "it has no free connection; raise its max_connections", time.Second
	case "55P03":
		return fault.Overload, "another worker keeps writing to it", time.Second
	}
	switch code[:min(2, len(code))] {
	case "08", "57": // lost connections; a server that stops or starts
		return fault.Transport, "the connection was lost", 0
	case "28":
		return fault.Auth, "it refuses this user; correct the user in the URL, and the password in PGPASSWORD or ~/.pgpass", 0
	case "3D":
		return fault.Input, "it does not exist; create it with createdb", 0
	case "22":
		return fault.Input, "a value cannot be stored", 0
	case "58": // an error of the system under the server
		return fault.Transport, "", 0
	}
	return "", "", 0 // a constraint or a wrong statement: a bug
}
