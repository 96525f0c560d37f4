// The guard outlives its parent by a moment: it learns the process groups of the parent's children over
// its standard input ("+<pid>" and "-<pid>" lines) and kills those that are left when the input ends,
// which the kernel sees to even when the parent was killed with SIGKILL.
//
// Plain JavaScript, because loading Node's type stripper would double the memory of a process that only
// reads a pipe.

const groups = new Set();
let rest = '';

// A Ctrl-C in the terminal is for the parent, which stops its children in order.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {});

process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    const group = Number(line.slice(1));
    if (line.startsWith('+')) groups.add(group);
    else groups.delete(group);
  }
});
process.stdin.on('close', () => {
  for (const group of groups) {
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // The group ended by itself.
    }
  }
});
