package config

import "github.com/cogniverse/cogflow/internal/config/ledgerurl"

// takeLedger sets the place of the ledger.
func (c *Config) takeLedger(s section) Problems {
	place, bad, fix := ledgerurl.Place(s.Ledger)
	c.Ledger = place
	if bad != "" {
		return Problems{{Place: "cogflow.ledger", Text: bad, Fix: fix}}
	}
	return nil
}

// LedgerFile is the path of the ledger, or empty if it is a PostgreSQL database.
func (c Config) LedgerFile() string { return ledgerurl.File(c.Ledger) }

// LedgerPassword is the password in the URL of the ledger; empty = none.
func (c Config) LedgerPassword() string { return ledgerurl.Password(c.Ledger) }

// checkLedgerFile refuses a password in the file.
func checkLedgerFile(s section) Problems {
	if ledgerurl.Password(s.Ledger) == "" {
		return nil
	}
	return Problems{{
		Place: "cogflow.ledger", Text: "a URL with a password",
		Fix: "remove the password and give it to the workers as PGPASSWORD, in ~/.pgpass, or by COGFLOW_LEDGER",
	}}
}
