// Of the loop: "miss_opened" tells {id} of a missed photo, "round_opened" {job} of a round whose pairs wait.

export function start({ element, trigger }) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.miss) trigger("miss_opened", { id: button.dataset.miss });
    if (button.dataset.round) trigger("round_opened", { job: button.dataset.round });
  });
}
