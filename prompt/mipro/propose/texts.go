package propose

import "github.com/cogniverse/cogflow/prompt"

// The programs that the proposer runs. Their texts are those of MIPROv2, because other
// texts would get other answers.
const (
	dataHints = "Some areas you may consider in your observations: topics, content, syntax, %s, etc. " +
		"It will be useful to make an educated guess as to the nature of the task this dataset will enable. Don't be afraid to be creative"
	observeTrends = "Given several examples from a dataset please write observations about trends that hold for most or all of the samples. "
	addOwn        = "I will also provide you with a few observations I have already made.  " +
		"Please add your own observations or if you feel the observations are comprehensive say 'COMPLETE' "
	summarize = "Given a series of observations I have made about my dataset, please summarize them into a brief 2-3 sentence summary " +
		"which highlights only the most important details."
	describePipeline = "Below is some pseudo-code for a pipeline that solves tasks with calls to language models. Please describe "
	describeProgram  = describePipeline + "what type of task this program appears to be designed to solve, and how it appears to work."
	describeModule   = describePipeline + "the purpose of one of the specified module in this pipeline."
	generate         = "Use the information below to learn about a task that we are trying to solve using calls to an LM, " +
		"then generate a new instruction that will be used to prompt a Language Model to better solve the task."

	codeText    = "Pseudocode for a language model program designed to solve a particular task."
	exampleText = "An example of the program in use."
	samplesText = "Sample data points from the dataset"
)

// ask returns a program of one predictor.
func ask(instructions string, inputs []prompt.Field, output, desc string) *prompt.Program {
	return &prompt.Program{Name: output, Predictors: []*prompt.Predictor{{
		Name: "self", Module: prompt.Predict, Instructions: instructions, Inputs: inputs,
		Outputs: []prompt.Field{{Name: output, Desc: desc}},
	}}}
}

func field(name, desc string) prompt.Field { return prompt.Field{Name: name, Desc: desc} }
