// Package temporaltest says how tests run the server of deploy/fleet/temporal. It starts nothing.
package temporaltest

import "fmt"

// User is the user of the server in PostgreSQL.
const User = "temporal"

// Databases are the statements that make the user and the databases of the server.
func Databases(password string) []string {
	return []string{
		fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", User, password),
		"CREATE DATABASE temporal OWNER " + User, "CREATE DATABASE temporal_visibility OWNER " + User,
	}
}

// Schemas are the arguments of the calls of the server's program that make its tables, one after another. The database is
// at port 5432 of host.
func Schemas(host string) (all [][]string) {
	for _, db := range []struct{ name, schema string }{{"temporal", "temporal"}, {"temporal_visibility", "visibility"}} {
		for _, step := range [][]string{{"setup-schema", "-v", "0.0"}, {"update-schema", "--schema-name", "postgresql/v12/" + db.schema}} {
			all = append(all, append([]string{"sql", "--plugin", "postgres12", "--ep", host, "-p", "5432", "-u", User, "--db", db.name}, step...))
		}
	}
	return all
}

// Environment is that of the program. The server listens on address, with the dynamic configuration of a file.
func Environment(address, host, password, dynamic string) []string {
	return []string{"ADDRESS=" + address, "DATABASE=" + host, "SQL_PASSWORD=" + password, "DYNAMIC_CONFIG=" + dynamic}
}
