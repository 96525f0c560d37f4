// The render host runs the commands of kustomize and helm, request after request in one process, because starting
// either of them takes longer than most renderings. Requests and answers are lines of JSON on standard input and output;
// it ends with its input. It fetches nothing over HTTP and takes no more memory than it is told.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"

	helm "helm.sh/helm/v4/pkg/cmd"
	kustomize "sigs.k8s.io/kustomize/kustomize/v5/commands/build"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Stamped by the linker; it names the sources and the versions of both tools.
var version = "0.0.0-unstamped"

type request struct {
	Tool           string   `json:"tool"`
	Arguments      []string `json:"arguments"`
	Directory      string   `json:"directory"`
	Input          string   `json:"input"`
	OutputBytesMax int      `json:"outputBytesMax"`
}

type answer struct {
	Output   string `json:"output,omitempty"`
	Error    string `json:"error,omitempty"`
	TooLarge bool   `json:"tooLarge,omitempty"`
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(version)
		return
	}
	if len(os.Args) != 3 || os.Args[1] != "serve" {
		fmt.Fprintln(os.Stderr, "usage: render-host version | serve MEMORY_BYTES")
		os.Exit(2)
	}
	memoryBytes, err := strconv.ParseUint(os.Args[2], 10, 63)
	if err == nil {
		err = limitMemory(memoryBytes)
	}
	if err == nil {
		http.DefaultTransport = refuseAll{}
		err = serve(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// limitMemory makes a rendering that grows without end stop this process and not the machine. The collector works
// harder from half of it on.
func limitMemory(bytes uint64) error {
	debug.SetMemoryLimit(int64(bytes / 2))
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: bytes, Max: bytes})
}

type refuseAll struct{}

func (refuseAll) RoundTrip(request *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s is not fetched: a rendering uses nothing but its tree", request.URL.Redacted())
}

func serve(input io.Reader, output io.Writer) error {
	decoder := json.NewDecoder(bufio.NewReader(input))
	encoder := json.NewEncoder(output)
	encoder.SetEscapeHTML(false)
	for {
		var next request
		if err := decoder.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := encoder.Encode(run(next)); err != nil {
			return err
		}
	}
}

func run(next request) (result answer) {
	written := limitedBuffer{bytesMax: next.OutputBytesMax}
	defer func() {
		if fault := recover(); fault != nil {
			result = answer{Error: fmt.Sprintf("the tool failed: %v", fault)}
		}
		if written.isOver {
			result = answer{TooLarge: true}
		}
	}()
	if err := os.Chdir(next.Directory); err != nil {
		return answer{Error: err.Error()}
	}
	var err error
	switch next.Tool {
	case "kustomize":
		err = runKustomize(next.Arguments, &written)
	case "helm":
		err = runHelm(next.Arguments, next.Input, &written)
	default:
		err = fmt.Errorf("there is no tool %q", next.Tool)
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Output: written.String()}
}

// runKustomize takes the arguments that follow `kustomize build`.
func runKustomize(arguments []string, output io.Writer) error {
	if len(arguments) == 0 || arguments[0] != "build" {
		return errors.New("kustomize: only build is served")
	}
	command := kustomize.NewCmdBuild(filesys.MakeFsOnDisk(), kustomize.MakeHelp("kustomize", "build"), output)
	command.SilenceErrors = true
	command.SetArgs(arguments[1:])
	return command.Execute()
}

func runHelm(arguments []string, input string, output io.Writer) error {
	if len(arguments) == 0 || arguments[0] != "template" {
		return errors.New("helm: only template is served")
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	go func() {
		defer writer.Close()
		_, _ = io.WriteString(writer, input)
	}()
	// Helm reads `--values -` from here.
	requests := os.Stdin
	os.Stdin = reader
	defer func() { os.Stdin = requests }()
	command, err := helm.NewRootCmd(output, arguments, func(bool) {})
	if err != nil {
		return err
	}
	command.SilenceErrors = true
	command.SilenceUsage = true
	command.SetErr(io.Discard)
	command.SetArgs(arguments)
	return command.Execute()
}

// limitedBuffer refuses to grow beyond its limit.
type limitedBuffer struct {
	bytes.Buffer
	bytesMax int
	isOver   bool
}

func (buffer *limitedBuffer) Write(data []byte) (int, error) {
	if buffer.Len()+len(data) > buffer.bytesMax {
		buffer.isOver = true
		return 0, errors.New("the output is too large")
	}
	return buffer.Buffer.Write(data)
}
