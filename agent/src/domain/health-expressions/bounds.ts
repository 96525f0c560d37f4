// Limits of expressions. They are part of what an expression means, so that it is judged alike everywhere.

/** The longest list to the power of the nested loops and one. */
export const healthExpressionStepsMax = 25_000_000;
/** Values of one object, well above what an API server stores. */
export const healthObjectValuesMax = 500_000;
/** Nesting of one object, as for rendered ones. */
export const healthObjectDepthMax = 100;
export const healthMessageCharactersMax = 1_000;
/** Entries that a unit brings. */
export const healthEntriesMax = 100;
