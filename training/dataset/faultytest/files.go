package faultytest

import "strings"

func formats() []Dataset {
	good := prompts()
	return []Dataset{
		sft(Format, "empty file", ""),
		sft(Format, "gzip file", "\x1f\x8b\x08\x00\x00\x00\x00\x00"),
		sft(Format, "spreadsheet", "PK\x03\x04\x14\x00\x06\x00"),
		as("d.csv", sft(Format, "old spreadsheet under the name of a CSV file", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")),
		sft(Format, "line of comment", prompts(`{"prompt": "a", "completion": "b"}`, "# reviewed by hand")),
		sft(Format, "comment in the first line", prompts("// reviewed by hand")),
		sft(Format, "array on one line, with a row twice and a row without answer", "["+strings.Join(append(strings.Split(strings.TrimSpace(prompts()), "\n"), `{"prompt": "question 7", "completion": "answer 7"}`, `{"prompt": "a"}`), ",")+"]"),
		sft(Format, "lines that end in carriage returns", strings.ReplaceAll(good, "\n", "\r")),
		sft(Format, "field that is null in every row", repeated(60, `{"prompt": "question #", "completion": "answer #", "note": null}`)),
		sft(Format, "plain text", "A text.\nAnother one.\n"),
		sft(Format, "object over several lines", "{\n\"prompt\": \"a\",\n\"completion\": \"b\"\n}\n"),
		sft(Format, "two objects on a line", prompts(`{"prompt": "a", "completion": "b"}{"prompt": "c", "completion": "d"}`)),
		sft(Format, "last line cut off", good+`{"prompt": "a", "comp`),
		sft(Format, "key listed twice", prompts(`{"prompt": "a", "prompt": "b", "completion": "c"}`)),
		sft(Format, "NaN", prompts(`{"prompt": "a", "completion": "b", "metadata": {"score": NaN}}`)),
		sft(Format, "misspelled field", prompts(`{"prompt": "a", "completoin": "b"}`)),
		sft(Format, "field with a no-break space at its end", prompts("{\"prompt\": \"a\", \"completion\u00a0\": \"b\"}")),
		sft(Format, "number as answer", prompts(`{"prompt": "a", "completion": 4}`)),
		sft(Format, "null answer", prompts(`{"prompt": "a", "completion": null}`)),
		sft(Format, "two formats in a file", prompts(`{"messages": [`+turns(says("user", "a"), says("assistant", "b"))+`]}`)),
		sft(Format, "unknown field", prompts(`{"prompt": "a", "completion": "b", "score": 3}`)),
		dpo(Format, "rows of another method", good),
		kto(Format, "answer without rating", rated(`{"prompt": "a", "completion": "b"}`)),
		kto(Format, "rating that is a number between", rated(`{"prompt": "a", "completion": "b", "label": 0.7}`)),
		kto(Format, "ratings as words", rated(`{"prompt": "a", "completion": "b", "label": "approved"}`, `{"prompt": "a", "completion": "c", "label": "thumbs-down"}`)),
		kto(Format, "pairs for rated answers", pairs()),
		sft(Format, "rated answers without kto", prompts(`{"prompt": "a", "completion": "b", "label": false}`)),
		embedding(Format, "triplet without negative", triplets(`{"anchor": "a", "positive": "b"}`)),
	}
}

func encodings() []Dataset {
	good := prompts()
	return []Dataset{
		sft(Encoding, "UTF-8 with byte order mark", "\ufeff"+good),
		sft(Encoding, "two files with byte order marks, joined", "\ufeff"+good+"\ufeff"+`{"prompt": "a", "completion": "b"}`),
		sft(Encoding, "UTF-16 little-endian with byte order mark", wide("\ufeff"+good, false)),
		sft(Encoding, "UTF-16 little-endian without mark", wide(good, false)),
		sft(Encoding, "UTF-16 big-endian with byte order mark", wide("\ufeff"+good, true)),
		sft(Encoding, "UTF-16 big-endian without mark", wide(good, true)),
		sft(Encoding, "UTF-32 little-endian with byte order mark", widest("\ufeff"+good)),
		sft(Encoding, "UTF-32 little-endian without mark", widest(good)),
		sft(Encoding, "Windows-1252", prompts("{\"prompt\": \"caf\xe9\", \"completion\": \"d\xe9j\xe0 vu\"}")),
		sft(Encoding, "Windows-1250", prompts("{\"prompt\": \"mi\xb3a Ma\xb3gosia\", \"completion\": \"b\"}")),
		sft(Encoding, "EUC-KR", prompts("{\"prompt\": \"\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4\", \"completion\": \"b\"}")),
		sft(Encoding, "ISO-2022-JP", prompts("{\"prompt\": \"\x1b$BF|K\\8l\x1b(B\", \"completion\": \"b\"}")),
		as("d.csv", sft(Encoding, "ISO-2022-KR in a cell", "prompt,completion\n\x1b$)C\x0e>H3g\x0f,b\n"+repeated(60, "question #,answer #"))),
		sft(Encoding, "Shift_JIS", prompts("{\"prompt\": \"\x93\xfa\x96\x7b\x8c\xea\", \"completion\": \"b\"}")),
		sft(Encoding, "Windows-1251", prompts("{\"prompt\": \"\xef\xf0\xe8\xe2\xe5\xf2\", \"completion\": \"b\"}")),
		sft(Encoding, "one damaged byte", prompts("{\"prompt\": \"日本\xff語\", \"completion\": \"b\"}")),
		sft(Encoding, "UTF-8 read as Windows-1252", prompts(`{"prompt": "cafÃ©", "completion": "Itâ€™s"}`)),
		sft(Encoding, "half of a surrogate pair", prompts(`{"prompt": "a", "completion": "\ud83d"}`)),
		sft(Encoding, "lost character", prompts(`{"prompt": "a", "completion": "caf\ufffd"}`)),
		sft(Encoding, "NUL in a text", prompts(`{"prompt": "a", "completion": "b\u0000"}`)),
		sft(Encoding, "terminal control character", prompts(`{"prompt": "a", "completion": "\u001b[31mred"}`)),
	}
}

func lessons() []Dataset {
	long := strings.TrimSpace(strings.Repeat("word ", 300))
	with := func(d Dataset, eval string) Dataset { d.Eval = eval; return d }
	return []Dataset{
		sft(Nothing, "empty answer", prompts(`{"prompt": "a", "completion": " \n"}`)),
		sft(Nothing, "answer of invisible characters", prompts(`{"prompt": "a", "completion": "\u200b\ufeff"}`)),
		sft(Nothing, "answer of control tokens only", prompts(`{"prompt": "a", "completion": "</s>"}`)),
		sft(Nothing, "answer repeats the prompt", prompts(`{"prompt": "Echo.", "completion": "echo"}`)),
		dpo(Nothing, "equal answers", pairs(`{"prompt": "a", "chosen": "b", "rejected": "b "}`)),
		dpo(Nothing, "answers that differ in case only", pairs(`{"prompt": "a", "chosen": "Yes.", "rejected": "yes"}`)),
		dpo(Nothing, "answers of composed and decomposed characters", pairs(`{"prompt": "a", "chosen": "Caf\u00e9", "rejected": "Cafe\u0301"}`)),
		kto(Nothing, "all answers rated good", repeated(60, `{"prompt": "question #", "completion": "answer #", "label": true}`)),
		kto(Nothing, "three good answers for a bad one", rated()+repeated(60, `{"prompt": "other question #", "completion": "answer #", "label": true}`)),
		embedding(Nothing, "anchor equals positive", triplets(`{"anchor": "a", "positive": "a", "negative": "b"}`)),
		embedding(Nothing, "positive and negative differ in case only", triplets(`{"anchor": "a", "positive": "Red car", "negative": "red car"}`)),
		dpo(Duplicates, "pair and its opposite", pairs(`{"prompt": "a", "chosen": "b", "rejected": "c"}`, `{"prompt": "a", "chosen": "c", "rejected": "b"}`)),
		kto(Duplicates, "answer that is rated both ways", rated(`{"prompt": "a", "completion": "b", "label": true}`, `{"prompt": "a", "completion": "B.", "label": false}`)),
		embedding(Duplicates, "triplet and its opposite", triplets(`{"anchor": "a", "positive": "b", "negative": "c"}`, `{"anchor": "a", "positive": "c", "negative": "b"}`)),
		embedding(Duplicates, "negative is the positive of another row", triplets(`{"anchor": "a", "positive": "b", "negative": "passage 7"}`)),
		embedding(Duplicates, "negative is the positive of another row in capitals", triplets(`{"anchor": "a", "positive": "die Straße", "negative": "b"}`, `{"anchor": "c", "positive": "d", "negative": "DIE STRASSE"}`)),
		sft(Duplicates, "equal rows", prompts(`{"prompt": "a", "completion": "b"}`, `{"prompt": "a", "completion": "b"}`, `{"completion": "b", "prompt": "a"}`)),
		sft(Duplicates, "credential", prompts(`{"prompt": "a", "completion": "use sk-abcdefghijklmnop0123456789"}`)),
		with(sft(Leaks, "evaluation row that is trained on", prompts()), `{"prompt": "question 3", "completion": "answer 3"}`),
		with(sft(Leaks, "evaluation prompt that is trained on", prompts()), `{"prompt": " Question  3?", "completion": "another"}`),
		with(sft(Leaks, "evaluation prompt in decomposed characters", prompts(`{"prompt": "Was ist ein Caf\u00e9?", "completion": "b"}`)), `{"prompt": "Was ist ein Cafe\u0301?", "completion": "b"}`),
		with(sft(Leaks, "evaluation prompt in full-width characters", prompts(`{"prompt": "ABC 123", "completion": "b"}`)), `{"prompt": "ＡＢＣ　１２３？", "completion": "b"}`),
		with(sft(Leaks, "evaluation rows of another method", prompts()), `{"prompt": "a", "chosen": "b", "rejected": "c"}`),
		with(sft(Leaks, "empty evaluation file", prompts()), "\n"),
		sft(Cuts, "prompt longer than max_seq_length", prompts(`{"prompt": "`+long+`", "completion": "b"}`)),
		sft(Cuts, "answer longer than max_seq_length", prompts(`{"prompt": "a", "completion": "`+long+`"}`)),
		sft(Cuts, "conversation cut before its last answer", chats(turns(says("user", "a"), says("assistant", "b"), says("user", long), says("assistant", "c")))),
		dpo(Cuts, "prompt of a pair longer than max_seq_length", pairs(`{"prompt": "`+long+`", "chosen": "b", "rejected": "c"}`)),
		dpo(Cuts, "answers that differ behind the cut only", pairs(`{"prompt": "a", "chosen": "`+long+` b", "rejected": "`+long+` c"}`)),
		kto(Cuts, "prompt of a rated answer longer than max_seq_length", rated(`{"prompt": "`+long+`", "completion": "b", "label": true}`)),
		embedding(Cuts, "texts that differ behind the cut only", triplets(`{"anchor": "a", "positive": "`+long+` b", "negative": "`+long+` c"}`)),
	}
}
