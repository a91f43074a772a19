// Why a file cannot be read, in one sentence for its reader.

export class FileTrouble extends Error {}
