package main

// names lists the names that users see besides inputs: signals, queries, updates, search
// attributes, queues, error classes and exit codes.
func names(c *comments) ([]byte, error) {
	m := newMarkdown("Names", "Names that users of cogflow meet in commands, in the Temporal Web UI and in their own code.")
	for _, group := range []struct{ title, lead, dir, prefix string }{
		{"Signals", "Asynchronous; a signal with an invalid payload is ignored, with a note in the current details.", "workflows", "Signal"},
		{"Queries", "", "workflows", "Query"},
		{"Updates", "Synchronous; an update with an invalid value is rejected.", "workflows", "Update"},
		{"Search attributes", "Registered by `make up` and by the deployment.", "workflows", "Attr"},
		{"Memos", "Set by `cogflow`, and by a library on its videos.", "workflows", "Memo"},
		{"Task queues", "", "workflows", "Queue"},
		{"Task queues of each GPU class", "The queue of a class is `<stem>-<class>`, such as `describe-l40s`.", "workflows", "Stem"},
		{"Error classes", "The type of an application failure. It alone decides about retries.", "fault", ""},
		{"Exit codes of cogflow", "", "internal/cli", "Exit"},
		{"Exit codes of cogflow-worker and cogflow-gateway", "A supervisor should not restart them after 2 or 78.", "internal/program", "Exit"},
	} {
		all, err := c.constants(group.dir, group.prefix)
		if err != nil {
			return nil, err
		}
		m.heading(2, group.title)
		if group.lead != "" {
			m.text("%s\n", group.lead)
		}
		var rows [][]string
		for _, one := range all {
			rows = append(rows, []string{code(one.value), one.text})
		}
		m.table([]string{"Name", "Meaning"}, rows)
	}
	return m.Bytes(), nil
}
