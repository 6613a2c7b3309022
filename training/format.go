package training

// Format is how a dataset says its rows.
type Format string

// The formats. Each but the last five trains with SFT.
const (
	FormatPrompt      Format = "prompt_completion" // {prompt, completion}: texts, or lists of messages
	FormatMessages    Format = "messages"          // {messages: [{role, content}]}
	FormatText        Format = "text"              // {text}
	FormatChatML      Format = "chatml_text"       // {text} with <|im_start|> markers: becomes messages
	FormatInstruction Format = "instruction_text"  // {text} with "### Instruction:": becomes prompt and completion
	FormatAlpaca      Format = "alpaca"            // {instruction, input, output[, system, history]}
	FormatShareGPT    Format = "sharegpt"          // {conversations: [{from, value}]}

	FormatPreference Format = "preference"          // DPO: {prompt, chosen, rejected}: texts, or lists of messages
	FormatPairGPT    Format = "sharegpt_preference" // DPO: {conversations, chosen: {from, value}, rejected}
	FormatTriplet    Format = "triplet"             // embedding: {anchor, positive, negative}
	FormatPair       Format = "anchor_positive"     // embedding: {anchor, positive}
	FormatQuery      Format = "query_pos_neg"       // embedding: {query, pos: [], neg: []}
)
