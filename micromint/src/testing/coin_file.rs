//! The coin file of a reference mint: the one that the real mint must make.

use super::ObviousMint;
use crate::bin::Bin;
use crate::coin_file::{
    BALL_COUNT, BIN_SIZE, CoinFile, MintingState, Phase, SUPERBIN_HEADER_SIZE, Status, Stored,
    add_to_checksum, superbin_size,
};
use crate::host::{Directory, Open, SimulatedDirectory};

impl ObviousMint {
    /// A coin file of this mint, byte by byte, before anything is sold.
    pub fn coin_file(&self) -> Vec<u8> {
        const NAME: &str = "coins";
        let directory = SimulatedDirectory::new();
        self.write_coin_file(&directory, NAME);
        directory.bytes(NAME).unwrap()
    }

    /// Writes this coin file as a new file of a directory.
    pub fn write_coin_file(&self, directory: &dyn Directory, name: &str) {
        let params = self.params();
        let file = directory.open(name, Open::Create).unwrap();
        let path = directory.path().join(name);
        let coin_file = CoinFile::create(file, path, params, [7; 16]).unwrap();
        let (mut ball_count, mut checksum) = (0, 0);
        for superbin in 0..params.superbin_count() as u32 {
            let mut bytes = vec![0; superbin_size(params) as usize];
            let mut count = 0u32;
            for subbin in 0..params.subbin_count() {
                if let Some(x) = self.ball(Bin { superbin, subbin }) {
                    let at = (SUPERBIN_HEADER_SIZE + BIN_SIZE * u64::from(subbin)) as usize;
                    Stored { x, status: Status::EXISTS }.write(&mut bytes, at);
                    count += 1;
                }
            }
            BALL_COUNT.set(&mut bytes, count);
            coin_file.write_superbins(superbin.into(), &bytes).unwrap();
            ball_count += u64::from(count);
            let size = bytes.len();
            checksum = add_to_checksum(checksum, &mut bytes, size);
        }
        coin_file
            .set_minting_state(&MintingState {
                phase: Phase::Complete,
                next_toss: 1 << params.raw().input_bits,
                counted_superbins: params.superbin_count(),
                ball_count,
                checksum,
            })
            .unwrap();
    }
}
