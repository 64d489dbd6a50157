// Durations as people read them.

import type { Millis } from "./brand.ts";

/** The two largest units: "23h59m", "5m07s", "12s", below ten seconds "2.5s", below one "40ms". */
export function formatDuration(duration: Millis): string {
  if (duration > 0 && duration < 1000) return `${Math.round(duration)}ms`;
  if (duration < 10_000) return `${Math.floor(duration / 100) / 10}s`;
  const whole = Math.floor(duration / 1000);
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (count: number) => String(count).padStart(2, "0");
  if (hours > 0) return `${hours}h${two(minutes)}m`;
  return minutes > 0 ? `${minutes}m${two(seconds)}s` : `${seconds}s`;
}
