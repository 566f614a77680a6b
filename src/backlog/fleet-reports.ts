/** What each gateway says of itself to whoever looks at the whole fleet, as text by its name. */
export interface FleetReports {
  /** Replaces the report of a gateway. */
  write(gateway: string, text: string): Promise<void>;
  read(): Promise<Map<string, string>>;
  remove(gateways: readonly string[]): Promise<void>;
}
