"""What the server of process.py loads before it forks."""

import trainer.__main__
import trainer.dpo
import trainer.kto
import trainer.run
import trainer.session
import trainer.sft  # noqa: F401
