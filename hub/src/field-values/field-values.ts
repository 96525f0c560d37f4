import { driftDifferencesMax, driftValueCharactersMax } from '../limits.ts';

/** One field with both values as JSON; empty where the field is not there. Agents mask secret values. */
export type FieldValues = {
  readonly path: string;
  readonly liveJson: string;
  readonly desiredJson: string;
};

export const fieldValues = (differences: readonly FieldValues[]): FieldValues[] =>
  differences.slice(0, driftDifferencesMax).map(({ path, liveJson, desiredJson }) => ({
    path: path.slice(0, driftValueCharactersMax),
    liveJson: bounded(liveJson),
    desiredJson: bounded(desiredJson),
  }));

/** What is too long, or no JSON, is kept as a text of its beginning. */
function bounded(json: string): string {
  if (json === '') return '';
  try {
    JSON.parse(json);
    if (json.length <= driftValueCharactersMax + 2) return json;
  } catch {
    // Told as the text that it is.
  }
  return JSON.stringify(json.slice(0, driftValueCharactersMax));
}
