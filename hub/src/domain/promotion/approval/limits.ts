/** Requests for approvals that a stage remembers; of the closed ones the oldest is forgotten first. */
export const requestsKeptMax = 200;
/** Requests of one stage that wait for votes at once. */
export const requestsOpenMax = 50;
/** Votes of one request: many more than any policy asks for. */
export const votesMax = 100;
