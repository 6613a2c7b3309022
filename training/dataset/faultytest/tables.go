package faultytest

import (
	"embed"
	"strings"
)

//go:embed testdata/*.parquet
var parquetFiles embed.FS

// parquet is a file that testdata/write.py wrote.
func parquet(name string) string {
	data, err := parquetFiles.ReadFile("testdata/" + name + ".parquet")
	if err != nil {
		panic(err)
	}
	return string(data)
}

func as(name string, d Dataset) Dataset {
	d.FileName = name
	return d
}

func tables() []Dataset {
	good := repeated(60, "question #,answer #")
	csv := func(rows ...string) string { return "prompt,completion\n" + lines(good, rows...) }
	whole := parquet("good")
	return []Dataset{
		sft(CSV, "heading of a known format", csv()),
		as("d.csv", sft(CSV, "cells with separators, quotes and line ends", csv(`"a, ""b""`+"\n"+`c",d`))),
		as("d.tsv", sft(CSV, "TSV", strings.ReplaceAll(csv(), ",", "\t"))),
		as("d.csv", sft(CSV, "separated by semicolons", strings.ReplaceAll(csv(), ",", ";"))),
		as("d.csv", sft(CSV, "separated by semicolons, with cells in double quotes", strings.ReplaceAll("\"prompt\",\"completion\"\n"+repeated(60, `"question #","answer #"`), ",", ";"))),
		as("d.csv", sft(CSV, "separated by vertical bars", strings.ReplaceAll(csv(), ",", "|"))),
		as("d.csv", sft(CSV, "first line for spreadsheet programs", "sep=;\r\n"+strings.ReplaceAll(csv(), ",", ";"))),
		as("d.csv", sft(CSV, "spaces in the heading", "prompt, completion\n"+good)),
		as("d.csv", sft(CSV, "no-break space in the heading", "prompt\u00a0,completion\n"+good)),
		as("d.csv", sft(CSV, "byte order mark twice", "\ufeff\ufeff"+csv())),
		as("d.csv", sft(CSV, "two files joined", csv()+"\ufeff"+"prompt,completion\n"+repeated(9, "another question #,answer #"))),
		as("d.csv", sft(CSV, "no heading", good)),
		sft(CSV, "no heading, and no name of CSV", good),
		as("d.csv", sft(CSV, "column listed twice", "prompt,prompt\n"+good)),
		as("d.csv", sft(CSV, "row with a cell too many", csv("a,b,c"))),
		as("d.csv", sft(CSV, "row with a cell too few", csv("a"))),
		as("d.csv", sft(CSV, "quote that is not closed", csv(`"a,b`))),
		as("d.csv", sft(CSV, "quote within a cell", csv(`say "a",b`))),
		as("d.csv", sft(CSV, "empty answer in a cell", csv("a,"))),
		as("d.csv", sft(CSV, "Windows-1252 in a cell", csv("caf\xe9,d\xe9j\xe0 vu"))),
		as("d.csv", sft(CSV, "CSV in UTF-16", wide("\ufeff"+csv(), false))),
		as("d.csv", sft(CSV, "messages as JSON", "messages\n"+chatCells(`"[{""role"": ""user"", ""content"": ""a""}, {""role"": ""assistant"", ""content"": ""b""}]"`))),
		as("d.csv", sft(CSV, "messages as Python prints them", "messages\n"+chatCells(`"[{'role': 'user', 'content': 'a'}, {'role': 'assistant', 'content': 'b'}]"`))),
		as("d.csv", sft(CSV, "conversation in a column of texts", csv(`"[{""role"": ""user"", ""content"": ""a""}]",b`))),
		as("d.parquet", sft(Parquet, "all rows valid", whole)),
		sft(Parquet, "Parquet under another name", whole),
		as("d.parquet", sft(Parquet, "file cut off", whole[:len(whole)/2])),
		as("d.parquet", sft(Parquet, "metadata longer than the file", whole[:len(whole)-8]+"\xff\xff\xff\xffPAR1")),
		as("d.parquet", sft(Parquet, "damaged page", whole[:60]+"\xff\xff\xff\xff"+whole[64:])),
		as("d.parquet", sft(Parquet, "null in a column of answers", parquet("null"))),
		as("d.parquet", sft(Parquet, "two equal rows", parquet("twice"))),
		as("d.parquet", sft(Parquet, "two turns of the user", parquet("roles"))),
		as("d.parquet", sft(Parquet, "NaN in a column", parquet("nan"))),
		as("d.parquet", sft(Parquet, "column of timestamps", parquet("time"))),
		as("d.parquet", sft(Parquet, "column of images", parquet("image"))),
	}
}

// chatCells puts a conversation before 60 good ones.
func chatCells(first string) string {
	return lines(repeated(60, `"[{""role"": ""user"", ""content"": ""question #""}, {""role"": ""assistant"", ""content"": ""answer #""}]"`), first)
}
