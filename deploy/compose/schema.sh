#!/bin/sh
# Creates and updates Temporal's two databases; safe to run at every start.
set -eu
for name in temporal visibility; do
	db=temporal
	[ "$name" = temporal ] || db=temporal_visibility
	sql() { temporal-sql-tool --plugin postgres12 --ep postgres -u temporal -p 5432 --db "$db" "$@"; }
	sql create
	sql setup-schema -v 0.0
	sql update-schema -d "/etc/temporal/schema/postgresql/v12/$name/versioned"
done
