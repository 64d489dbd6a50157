// One answer for everybody who asks the same. For what anybody may ask and what is some work: those who wait share an
// answer, and one that is younger than a second is given again.

import { millis } from "./brand.ts";
import type { Clock } from "./clock.ts";

const FRESH = millis(1000);

interface Shared<T> {
  readonly answer: Promise<T>;
  /** On the monotonic clock; null while it is being made. */
  madeAt: number | null;
}

/**
 * What fails, fails for those who wait for it; whoever comes then has it tried again. The newest answer to each question is
 * kept, so that there must be few questions.
 */
export function shareAnswers<Q, T>(
  make: (question: Q) => Promise<T>,
  clock: Pick<Clock, "monotonic">,
): (question: Q) => Promise<T> {
  const answers = new Map<Q, Shared<T>>();
  return (question) => {
    const last = answers.get(question);
    const isOld = last?.madeAt != null && clock.monotonic() - last.madeAt >= FRESH;
    if (last && !isOld) return last.answer;
    const shared: Shared<T> = { answer: make(question), madeAt: null };
    answers.set(question, shared);
    shared.answer.then(
      () => {
        shared.madeAt = clock.monotonic();
      },
      () => answers.delete(question),
    );
    return shared.answer;
  };
}
