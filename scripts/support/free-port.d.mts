export function freePort(): Promise<number>;
export function isOpen(port: number): Promise<boolean>;
