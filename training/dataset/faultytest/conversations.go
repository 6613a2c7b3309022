package faultytest

func conversations() []Dataset {
	user, answer := says("user", "a"), says("assistant", "b")
	thinks := says("assistant", "<think>maybe</think>b")
	return []Dataset{
		sft(Roles, "no messages", chats("")),
		sft(Roles, "no answer", chats(user)),
		sft(Roles, "answer first", chats(turns(answer, user, answer))),
		sft(Roles, "user twice in a row", chats(turns(user, user, answer))),
		sft(Roles, "user last", chats(turns(user, answer, user))),
		sft(Roles, "system later than first", chats(turns(user, says("system", "s"), answer))),
		sft(Roles, "unknown role", chats(turns(user, says("oracle", "b")))),
		sft(Roles, "no role", chats(turns(user, `{"content": "b"}`))),
		sft(Roles, "content and value that differ", chats(turns(user, `{"role": "assistant", "content": "b", "value": "c"}`))),
		sft(Roles, "role and from that differ", chats(turns(user, `{"role": "assistant", "from": "human", "content": "b"}`))),
		sft(Roles, "role and from of the same speaker", chats(turns(user, `{"role": "assistant", "from": "gpt", "content": "b"}`))),
		sft(Roles, "empty system message", chats(turns(says("system", ""), user, answer))),
		sft(Roles, "empty message", chats(turns(user, says("assistant", "  ")))),
		dpo(Roles, "pair whose prompt ends with an answer", lines(pairs(), `{"prompt": [`+turns(user, answer)+`], "chosen": [`+answer+`], "rejected": [`+says("assistant", "c")+`]}`)),

		sft(Tools, "role tool", chats(turns(user, says("tool", "b")))),
		sft(Tools, "tool calls", chats(turns(user, `{"role": "assistant", "content": "b", "tool_calls": [{"id": "1"}]}`))),
		sft(Tools, "list of tools", lines(chats(), `{"messages": [`+turns(user, answer)+`], "tools": [{"name": "f"}]}`)),
		sft(Tools, "audio in a message", chats(turns(`{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}`, answer))),

		sft(Thinking, "thinking of an earlier answer", chats(turns(user, thinks, user, answer))),
		sft(Thinking, "thinking of the last answer", chats(turns(user, answer, user, thinks))),
		sft(Thinking, "thinking that is not closed", chats(turns(user, says("assistant", "<think>maybe b")))),
		sft(Thinking, "thinking in a field of its own", chats(turns(user, `{"role": "assistant", "content": "b", "reasoning_content": "maybe"}`))),

		sft(Weights, "answer with weight 0", chats(turns(user, `{"role": "assistant", "content": "b", "weight": 0}`, user, answer))),
		sft(Weights, "answer with train false", chats(turns(user, `{"role": "assistant", "content": "b", "train": false}`, user, answer))),
		sft(Weights, "answer with train 0", chats(turns(user, `{"role": "assistant", "content": "b", "train": 0}`, user, answer))),
		sft(Weights, "answer with train as a text", chats(turns(user, `{"role": "assistant", "content": "b", "train": "no"}`, user, answer))),
		sft(Weights, "answer with weight 0 and train true", chats(turns(user, `{"role": "assistant", "content": "b", "weight": 0, "train": true}`, user, answer))),
		sft(Weights, "answer with weight 0 and train false", chats(turns(user, `{"role": "assistant", "content": "b", "weight": 0.0, "train": false}`, user, answer))),
		sft(Weights, "measured loss of an answer", chats(turns(user, `{"role": "assistant", "content": "b", "loss": 0.53}`))),
		sft(Weights, "all answers with weight 0", chats(turns(user, `{"role": "assistant", "content": "b", "weight": 0}`))),
		sft(Weights, "weight between 0 and 1", chats(turns(user, `{"role": "assistant", "content": "b", "weight": 0.5}`))),
		sft(Weights, "weight of a row", prompts(`{"prompt": "a", "completion": "b", "weight": 2}`)),
		kto(Weights, "weight of a rated answer", rated(`{"messages": [`+turns(user, `{"role": "assistant", "content": "b", "weight": 0}`)+`], "label": true}`)),
		dpo(Weights, "weight in a pair", lines(pairs(), `{"prompt": "a", "chosen": [{"role": "assistant", "content": "b", "weight": 0}], "rejected": [`+says("assistant", "c")+`]}`)),
	}
}

func specials() []Dataset {
	return []Dataset{
		sft(Tokens, "control token in a question", chats(turns(says("user", "what is <|im_start|>system?"), says("assistant", "b")))),
		sft(Tokens, "end token at the end of an answer", chats(turns(says("user", "a"), says("assistant", "b<|im_end|>")))),
		sft(Tokens, "end token at the end of a completion", prompts(`{"prompt": "a", "completion": "b</s>"}`)),
		sft(Tokens, "begin token at the beginning of a prompt", prompts(`{"prompt": "<s>a", "completion": "b"}`)),
		sft(Tokens, "begin token of a formatted text", lines(repeated(60, `{"text": "text #"}`), `{"text": "<|begin_of_text|>a"}`)),
		sft(Tokens, "markers of Llama 2 in a prompt", prompts(`{"prompt": "[INST] a [/INST]", "completion": "b"}`)),
		sft(Tokens, "ChatML text without end marker", lines(repeated(60, `{"text": "<|im_start|>user\na #<|im_end|>\n<|im_start|>assistant\nb<|im_end|>"}`), `{"text": "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb"}`)),
		sft(Tokens, "comparison that is no token", prompts(`{"prompt": "is a <b and c> d?", "completion": "if a < b || c > d"}`)),
		dpo(Tokens, "control token in a pair", pairs(`{"prompt": "a", "chosen": "b <|eot_id|> c", "rejected": "d"}`)),
		embedding(Tokens, "control token in a passage", triplets(`{"anchor": "a", "positive": "[CLS] b", "negative": "c"}`)),
	}
}
