// Reasons and phases are free text, but projects draw them from a small vocabulary. These lists read that vocabulary,
// for kinds that no rule names and for the shared templates of those that one does.

const failing =
  /fail(?!over|ing over)|error|invalid|denied|forbidden|unauthori[sz]ed|reject|crash|back-?off|not ?found|missing|unhealthy|degraded|broken|unreachable|time(d ?)?out|exceeded|conflict|cannot|could not|unable|unsupported|unknown (field|parameter)|expired|refused|stalled|abort|\blost\b|misconfigur|incompatible|not ?allowed|not ?permitted|unsatisfi|mismatch|no ?such|does ?n[o']t exist|unexpected|stuck|\bbad\b|inconclusive|noncompliant|not ?accepted|unresolved|panic|oomkilled|insufficient|no key could/i;

// `ErrImagePull`, but not the letters in `ClusterRunning`.
const shortError = /(^|[^A-Za-z])[Ee]rr([A-Z]|\b)/;

const busy =
  /progress|pending|wait|creat|provision|initiali[sz]|\binit\b|reconciling|updating|upgrad|deploying|starting|install|scaling|syncing|schedul|migrat|restor|import|bootstrap|building|queued|prepar|configuring|validating|resolving|connecting|binding|rolling|restart|cloning|delet|terminating|incomplete|not ?complete|launch|attaching|detaching|modifying|starting|stopping|processing|unknown|requested|issuing|verifying|downloading|loading|recovering|rebalanc|promoting|finali[sz]ing|joining|registering|applying|changing|submitted|not ?yet|setting ?up|setup|unpack|yellow|converging|warming|\bnew\b|\bpartial/i;

/** Words that a controller uses for work under way although they hold one of failure, as `ProgressingWithRetry`. */
const busyBeforeFailing = /^(recovering|restoring|retrying|waiting|pending|rollingback)/i;

export type Tone = 'failed' | 'busy' | '';

/** What a reason says by its words; empty when it says neither. */
export function toneOf(text: string): Tone {
  if (busyBeforeFailing.test(text)) return 'busy';
  if (failing.test(text) || shortError.test(text)) return 'failed';
  return busy.test(text) ? 'busy' : '';
}

/** A reason is chosen from a list and says more than a message, except where it only names the work that failed. */
export function toneOfCondition(reason: string, message: string): Tone {
  const byReason = toneOf(reason);
  const isFailure =
    /\b(error|failed|failure|errors)\b/i.test(message) && !/\b0 failed\b/.test(message);
  if (byReason === 'busy')
    return isFailure && /^\W*(error|failed|failure)/i.test(message) ? 'failed' : 'busy';
  if (byReason === 'failed') return 'failed';
  return isFailure ? 'failed' : toneOf(message);
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter(Boolean));

const phases = {
  healthy:
    words(`ready running active available bound healthy succeeded success successful completed complete finished done
    deployed online ok green synced insync accepted established enabled provisioned created updated applied installed
    initialized reconciled published connected up established compliant valid verified issued normal bootstrapped
    operational configured serving released attached registered passed loaded exists uptodate stable inservice
    clusterready`),
  failed:
    words(`failed failure error errored degraded unhealthy crashed crashloopbackoff invalid rejected broken lost
    timeout timedout offline red faulted evicted aborted denied expired stalled configerror noncompliant
    createfailed updatefailed syncfailed deletefailed installfailed upgradefailed unavailable down fault outofsync
    unreachable misconfigured conflict inerror imagepullbackoff oomkilled deadlineexceeded disconnected`),
  suspended: words(
    'suspended paused stopped hibernated disabled suspend halted hibernating shutdown',
  ),
  unknown: words('unknown inconclusive'),
};

export type PhaseTone = 'healthy' | 'failed' | 'suspended' | 'unknown' | 'busy' | '';

/** What one word of `status.phase` and its like says; empty for a word of a project's own. */
export function toneOfPhase(phase: string): PhaseTone {
  const word = phase.toLowerCase().replace(/[^a-z0-9]/g, '');
  for (const tone of ['healthy', 'failed', 'suspended', 'unknown'] as const) {
    if (phases[tone].has(word)) return tone;
  }
  return toneOf(phase);
}
